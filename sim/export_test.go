package sim

// WorkLimit sets what StepLimit describes as the limit without it.
func WorkLimit(n uint64) Option { return func(o *options) { o.steps, o.work = 0, n } }
