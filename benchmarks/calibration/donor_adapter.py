"""Temporary: the slow reference, until the package has the donor-level test."""
import sys

import numpy as np

sys.path.insert(0, "/tmp/wt/shared/reference")


def donor_level(problem):
    import donor_calibration as dc
    labels=np.array(problem.design.samples)[problem.sample]
    m=dc.DonorDE(None,problem.adata.X,labels,P=problem.phi,Ks=problem.n_regions)
    r=m.test(problem.design.matrix,problem.design.contrast,B=0)
    return r["p_acat"], {"ridge":[float(L.lam) for L in m.levels], "h":[max(v[1] for v in d.values()) for d in r["overlap"]],"dropped":[sum(v[2] for v in d.values()) for d in r["overlap"]]}
