package devicetest

// PTX is a module of four kernels, three of which write what a launch passes to them, in the oldest PTX version that all devices in use
// accept.
//
//	echo(out u64, a f32, b f64, c u32, d u64)   out[0..4] = its arguments, zero-extended to 64-bit words
//	block(struct {out u64; a f32; b f64; c, d u64})   the same for a struct passed by value
//	shape(out u64)                              the first thread writes out[0..6] = grid x, y, z, block x, y, z, bytes of dynamic shared memory
//	fault()                                     writes to address 0
const PTX = `.version 6.0
.target sm_50
.address_size 64

.visible .entry echo(
	.param .u64 echo_out,
	.param .f32 echo_a,
	.param .f64 echo_b,
	.param .u32 echo_c,
	.param .u64 echo_d
)
{
	.reg .b32 %r<3>;
	.reg .f32 %f<2>;
	.reg .f64 %fd<2>;
	.reg .b64 %rd<6>;

	ld.param.u64 	%rd1, [echo_out];
	ld.param.f32 	%f1, [echo_a];
	ld.param.f64 	%fd1, [echo_b];
	ld.param.u32 	%r1, [echo_c];
	ld.param.u64 	%rd2, [echo_d];
	cvta.to.global.u64 	%rd3, %rd1;
	st.global.u64 	[%rd3], %rd1;
	mov.b32 	%r2, %f1;
	cvt.u64.u32 	%rd4, %r2;
	st.global.u64 	[%rd3+8], %rd4;
	st.global.f64 	[%rd3+16], %fd1;
	cvt.u64.u32 	%rd5, %r1;
	st.global.u64 	[%rd3+24], %rd5;
	st.global.u64 	[%rd3+32], %rd2;
	ret;
}

.visible .entry block(
	.param .align 8 .b8 block_p[40]
)
{
	.reg .b32 %r<2>;
	.reg .f32 %f<2>;
	.reg .f64 %fd<2>;
	.reg .b64 %rd<6>;

	ld.param.u64 	%rd1, [block_p];
	ld.param.f32 	%f1, [block_p+8];
	ld.param.f64 	%fd1, [block_p+16];
	ld.param.u64 	%rd2, [block_p+24];
	ld.param.u64 	%rd3, [block_p+32];
	cvta.to.global.u64 	%rd4, %rd1;
	st.global.u64 	[%rd4], %rd1;
	mov.b32 	%r1, %f1;
	cvt.u64.u32 	%rd5, %r1;
	st.global.u64 	[%rd4+8], %rd5;
	st.global.f64 	[%rd4+16], %fd1;
	st.global.u64 	[%rd4+24], %rd2;
	st.global.u64 	[%rd4+32], %rd3;
	ret;
}

.visible .entry shape(
	.param .u64 shape_out
)
{
	.reg .pred %p<2>;
	.reg .b32 %r<19>;
	.reg .b64 %rd<10>;

	mov.u32 	%r8, %tid.x;
	mov.u32 	%r9, %tid.y;
	mov.u32 	%r10, %tid.z;
	mov.u32 	%r11, %ctaid.x;
	mov.u32 	%r12, %ctaid.y;
	mov.u32 	%r13, %ctaid.z;
	or.b32  	%r14, %r8, %r9;
	or.b32  	%r15, %r10, %r11;
	or.b32  	%r16, %r12, %r13;
	or.b32  	%r17, %r14, %r15;
	or.b32  	%r18, %r16, %r17;
	setp.ne.u32 	%p1, %r18, 0;
	@%p1 bra 	$done;

	ld.param.u64 	%rd1, [shape_out];
	cvta.to.global.u64 	%rd2, %rd1;
	mov.u32 	%r1, %nctaid.x;
	mov.u32 	%r2, %nctaid.y;
	mov.u32 	%r3, %nctaid.z;
	mov.u32 	%r4, %ntid.x;
	mov.u32 	%r5, %ntid.y;
	mov.u32 	%r6, %ntid.z;
	mov.u32 	%r7, %dynamic_smem_size;
	cvt.u64.u32 	%rd3, %r1;
	cvt.u64.u32 	%rd4, %r2;
	cvt.u64.u32 	%rd5, %r3;
	cvt.u64.u32 	%rd6, %r4;
	cvt.u64.u32 	%rd7, %r5;
	cvt.u64.u32 	%rd8, %r6;
	cvt.u64.u32 	%rd9, %r7;
	st.global.u64 	[%rd2], %rd3;
	st.global.u64 	[%rd2+8], %rd4;
	st.global.u64 	[%rd2+16], %rd5;
	st.global.u64 	[%rd2+24], %rd6;
	st.global.u64 	[%rd2+32], %rd7;
	st.global.u64 	[%rd2+40], %rd8;
	st.global.u64 	[%rd2+48], %rd9;
$done:
	ret;
}

.visible .entry fault()
{
	.reg .b32 %r<2>;
	.reg .b64 %rd<2>;

	mov.u64 	%rd1, 0;
	mov.u32 	%r1, 1;
	st.global.u32 	[%rd1], %r1;
	ret;
}
`

// badPTX has an error in line 6.
const badPTX = `.version 6.0
.target sm_50
.address_size 64
.visible .entry bad()
{
	nosuch.u32 	%r1, %r2;
	ret;
}
`
