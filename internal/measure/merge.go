package measure

import "slices"

// Merge combines several results of one device. If a group was measured more than once, the first is kept.
func Merge(parts ...*Result) *Result {
	all := &Result{}
	seen := map[string]bool{}
	for _, r := range parts {
		if all.Device.Backend == "" {
			left := all.Left
			*all = *r
			all.Groups, all.Sweeps, all.Left, all.Bits, all.Seconds, all.Peers = nil, nil, left, nil, 0, nil
		}
		for _, g := range r.Groups {
			if !seen[g.Name()] {
				seen[g.Name()] = true
				all.Groups = append(all.Groups, g)
			}
		}
		for _, line := range r.Left {
			if !slices.Contains(all.Left, line) {
				all.Left = append(all.Left, line)
			}
		}
		for _, p := range r.Peers {
			if known := all.peer(p.Contender); known == nil {
				all.Peers = append(all.Peers, p)
			} else if known.Absent != "" {
				*known = p
			}
		}
		all.Bits = append(all.Bits, r.Bits...)
		all.Sweeps = append(all.Sweeps, r.Sweeps...)
		all.Seconds += r.Seconds
	}
	if len(all.Peers) > 0 {
		all.NoPeers = ""
	}
	return all
}

// Disputed returns the rows that contradict the contract: those in which eager PyTorch's loss terms, or for beta > 0 its gradients with
// respect to pred, differ from ours in more than the signs of zeros.
func Disputed(rows []BitsRow) (disputed []BitsRow) {
	for _, r := range rows {
		promised := r.What == "terms" || r.What == "grad_pred" && r.Beta > 0
		if r.Contender == Eager && promised && r.Different > r.ZeroSigns {
			disputed = append(disputed, r)
		}
	}
	return disputed
}
