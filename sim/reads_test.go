package sim_test

import "testing"

// Threads that read the same address, all at once or one after the other, and one that writes it.
func TestSharedReads(t *testing.T) {
	all := "ld.global.u32 %r5, [%rd0];"
	one := func(thread, code string) string {
		return "setp.ne.u32 %p0, %r2, " + thread + "; @%p0 bra N" + thread + "; " + code + "\nN" + thread + ":\n"
	}
	runStrict(t, []strictCase{
		{"all, then one writes", all + one("77", "st.global.u32 [%rd0], 1;"), all + "bar.sync 0;" + one("77", "st.global.u32 [%rd0], 1;"), 1, 256, []string{"race: "}},
		{"one that has not come to the barrier", // thread 33 reads after it
			all + "bar.sync 0;" + one("33", all) + one("77", "st.global.u32 [%rd0], 1;"),
			all + one("33", all) + "bar.sync 0;" + one("77", "st.global.u32 [%rd0], 1;"), 1, 256, []string{"race: ", "(33,0,0)"}},
		{"a lane of the writer's warp",
			all + "bar.sync 0;" + one("65", all) + one("77", "st.global.u32 [%rd0], 1;"),
			all + "bar.sync 0;" + one("65", all) + "bar.warp.sync -1;" + one("77", "st.global.u32 [%rd0], 1;"), 1, 128, []string{"race: "}},
		{"many blocks", all + one("77", "st.global.u32 [%rd0], 1;"), all + one("77", "st.global.u32 [%rd0+4], 1;"), 40, 96, []string{"race: "}},
		// The single bytes of a word that all threads have read: each byte then has a list of readers of its own.
		{"bytes of a word",
			all + "bar.sync 0;" + one("5", "ld.global.u8 %h0, [%rd0];") + one("40", "st.global.u8 [%rd0], %h1;"),
			all + "bar.sync 0;" + one("5", "ld.global.u8 %h0, [%rd0];") + one("40", "st.global.u8 [%rd0+3], %h1;"), 1, 64, []string{"race: "}},
	})
}
