package sim

// WorkLimit sets the default limit that StepLimit describes.
func WorkLimit(n uint64) Option { return func(o *options) { o.steps, o.work = 0, n } }
