package op

// A view is an array of Params with its strides.
type view struct {
	at      *uint64
	strides *Strides
	size    uint64 // of an element
	output  bool
}

func (p *Params) views(size uint64) [12]view {
	return [12]view{
		{&p.Pred, &p.PredStrides, size, false}, {&p.Target, &p.TargetStrides, size, false}, {&p.Weight, &p.WeightStrides, size, false},
		{&p.Mask, &p.MaskStrides, 1, false}, {&p.Beta, &p.BetaStrides, size, false}, {&p.Upstream, &p.UpstreamStrides, size, false},
		{&p.Direction, &p.DirectionStrides, size, false}, {&p.Terms, &p.TermsStrides, size, true}, {&p.Abs, &p.AbsStrides, size, true},
		{&p.GradPred, &p.GradPredStrides, size, true}, {&p.GradTarget, &p.GradTargetStrides, size, true}, {&p.Second, &p.SecondStrides, size, true},
	}
}

// Arrange prepares the views of a launch of a rich kernel for elements of the given size in bytes. If rows follow each other without a gap
// in every array, they become one, unless they are reduced by row or have an index. FlagWide is set if a piece, 16 bytes of
// elements or 8 of elements of 16 bits, can be read and written at once: where its elements lie in one row, and in each array side by side and
// aligned, or are one and the same.
func (p *Params) Arrange(size int) {
	all := p.views(uint64(size))
	views := all[:]
	joined := p.Flags&FlagByRow == 0 && p.Index == 0
	for _, v := range views {
		joined = joined && (*v.at == 0 || p.Rows <= 1 || p.Cols <= 1 || v.strides.Row == int64(p.Cols)*v.strides.Col)
	}
	if joined {
		for _, v := range views {
			if p.Cols <= 1 {
				v.strides.Col = v.strides.Row
			}
			v.strides.Row = 0
		}
		p.Rows, p.Cols = 1, p.Rows*p.Cols
	}
	piece := max(uint64(size), min(16, 4*uint64(size))) / uint64(size) // elements
	p.Flags &^= FlagWide
	if p.Index != 0 || p.Flags&FlagByRow == 0 && p.Rows > 1 && p.Cols&(piece-1) != 0 {
		return
	}
	for _, v := range views {
		if *v.at == 0 {
			continue
		}
		s := *v.strides // piece and the sizes are powers of two
		aligned := s.Col == 1 && *v.at&(piece*v.size-1) == 0 && (p.Rows <= 1 || uint64(s.Row)&(piece-1) == 0)
		if !aligned && (v.output || s.Col != 0) {
			return
		}
	}
	p.Flags |= FlagWide
}
