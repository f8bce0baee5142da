package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1/sim"
)

// A register that a guarded instruction may leave unchanged keeps its value around a loop, however short its live range seems.
func TestGuardedWrites(t *testing.T) {
	check(t, body(prologue+`
		mov.u32 %r3, 0;
		mov.u32 %r4, 0;
		add.u32 %r10, %r0, 5;
	LOOP:
		xor.b32 %r5, %r0, %r3;
		rem.u32 %r5, %r5, 3;
		setp.eq.u32 %p1, %r5, 0;
		@%p1 mad.lo.u32 %r10, %r3, 7, 1;
		add.u32 %r4, %r4, %r10;
		mul.lo.u32 %r11, %r4, 3;
		xor.b32 %r12, %r11, %r3;
		mul.lo.u32 %r13, %r12, %r11;
		add.u32 %r4, %r4, %r13;
		add.u32 %r3, %r3, 1;
		setp.lt.u32 %p2, %r3, 12;
		@%p2 bra LOOP;
		st.global.u32 [%rd1], %r4;`), 2, 64, 0, func(i uint32) (sum uint32) {
		kept := i + 5
		for k := range uint32(12) {
			if (i^k)%3 == 0 {
				kept = 7*k + 1
			}
			sum += kept
			sum += (3*sum ^ k) * (3 * sum)
		}
		return sum
	})
}

// After a divergent branch, nested and with lanes that exit, all lanes shuffle with each other: those that arrive first wait.
func TestReconvergence(t *testing.T) {
	check(t, body(prologue+`
		and.b32 %r10, %r0, 31;
		setp.lt.u32 %p9, %r10, 30;
		@!%p9 exit;
		mov.u32 %r3, %r10;
		mov.u32 %r4, 1;
	LOOP:
		setp.ge.u32 %p1, %r4, %r10;
		@%p1 bra OUT;
		mad.lo.u32 %r3, %r3, 7, %r4;
		and.b32 %r5, %r3, 1;
		setp.eq.u32 %p2, %r5, 1;
		@%p2 bra ODD;
		add.u32 %r3, %r3, 11;
		bra NEXT;
	ODD:
		add.u32 %r3, %r3, 22;
	NEXT:
		add.u32 %r4, %r4, 1;
		bra LOOP;
	OUT:
		add.u32 %r6, %r10, 29;
		rem.u32 %r6, %r6, 30;
		shfl.sync.idx.b32 %r7, %r3, %r6, 31, 0x3fffffff;
		st.global.u32 [%rd1], %r7;`), 2, 64, 0, func(i uint32) uint32 {
		lane := i % 32
		if lane >= 30 {
			return untouched
		}
		from := (lane + 29) % 30
		v := from
		for k := uint32(1); k < from; k++ {
			if v = 7*v + k; v&1 == 1 {
				v += 22
			} else {
				v += 11
			}
		}
		return v
	})
}

// activemask includes the lane itself, and only lanes that take the same path.
func TestActivemask(t *testing.T) {
	everywhere(t, func(t *testing.T, d *sim.Device) {
		got := run(t, d, body(prologue+`
			rem.u32 %r3, %r0, 3;
			setp.eq.u32 %p1, %r3, 1;
			@%p1 bra A;
			activemask.b32 %r4;
			bra.uni END;
		A:
			activemask.b32 %r4;
		END:
			st.global.u32 [%rd1], %r4;`), 1, 50, 0)
		for i, mask := range got {
			assert.NotZero(t, mask>>(i%32)&1)
			for lane := range 32 {
				if j := i/32*32 + lane; mask>>lane&1 == 1 {
					assert.Less(t, j, 50)
					assert.Equalf(t, i%3 == 1, j%3 == 1, "thread %d runs together with lane %d: %#x", i, lane, mask)
				}
			}
		}
	})
}
