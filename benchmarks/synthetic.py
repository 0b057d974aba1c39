"""Does the synthetic library meet its own figures? `python benchmarks/synthetic.py [--n 20000] [--full] [--knots]`

Prints the distribution of Kex against Table 2 of the paper, the R2 of the truth, and the test R2 of PLSR, the network and, on a
subset, the Gaussian process, all on one random split by sample; with --full also the cost of the whole 50,494 spectra, PLSR on them,
and how unlike each other the orders are. Six minutes on two cores. Everything here is SYNTHETIC.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, resource, time
import numpy as np, pandas as pd
from mirzai.mineralogy import (ALL_QUARTILES, HALF_BATCH, KEX_QUARTILES, ORDERS, composition_law,
                               compositions, fit_knots, measured, through_knots)
from mirzai.synthetic import ceiling, synthetic_library

def cost(n):
    start = time.perf_counter(); lib = synthetic_library(n, 0); took = time.perf_counter()-start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
    print(f'{n} spectra in {took:.1f} s, peak memory of the process {peak:.0f} MB')
    return lib

def distribution(lib):
    y = lib.y()
    q = dict(zip(('q1', 'median', 'q3'), np.percentile(y, [25, 50, 75])), below_012=np.mean(y<.12),
             undefined=np.mean(lib.properties.order=='undefined'))
    print(pd.DataFrame({'paper': [.15, .36, .74, 1-40132/50494, (1553-15.5)/4014], 'synthetic': q.values()}, index=q.keys()).round(3).to_string())
    print(f'R2 of the noise-free truth {ceiling(lib):.3f}')
    f = lib.truth.fractions.groupby(lib.properties.order.to_numpy()).mean()
    d = np.abs(f.to_numpy()[:, None]-f.to_numpy()[None]).sum(-1)/2; d[np.diag_indices(len(d))] = np.inf
    print(f'orders: share of mass that differs from the most similar other order, {d.min(1).min():.2f} to {d.min(1).max():.2f}')

def knots(n=100_000):
    "The law's knots by order; those of soils without an order so that all together have the quartiles of Table 2"
    from scipy.optimize import least_squares
    out = {o: fit_knots(o, KEX_QUARTILES.get(o, ALL_QUARTILES)) for o in ORDERS if o!='undefined'}
    def soils(o):
        f,_,profile,_ = compositions(n, np.random.default_rng(7), o)
        return composition_law(f), profile
    def kex(alone, profile, k): return measured(through_knots(alone, k), profile, np.random.default_rng(8))
    rest = [kex(*soils(o), k) for o,k in out.items()]
    alone,profile = soils('undefined')
    at = np.percentile(alone, [25, 50, 75])
    share = np.repeat([ORDERS[o][0]-HALF_BATCH for o in (*out, 'undefined')], n); share = share/share.sum()
    rising = lambda x: np.cumsum([x[0], abs(x[1])+.03, abs(x[2])+.03])
    def off(x):
        y = np.concatenate([*rest, kex(alone, profile, (at, rising(x)))]); order = np.argsort(y)
        return np.log10(y[order][np.searchsorted(np.cumsum(share[order]), [.25, .5, .75])]/np.array(ALL_QUARTILES))
    best = rising(least_squares(off, [-1, .4, .4], diff_step=.03, max_nfev=40).x)
    out['undefined'] = tuple(at.round(3).tolist()), tuple(best.round(3).tolist())
    for o in ORDERS: print(f'    {o!r}: {out[o]},')

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__); a.add_argument('--n', type=int, default=20_000); a.add_argument('--full', action='store_true')
    a.add_argument('--knots', action='store_true', help='print the knots of the law by order, and no more; a minute')
    a = a.parse_args()
    if a.knots: knots(); raise SystemExit
    whole = cost(50_494 if a.full else a.n)
    distribution(whole)
    from mirzai.experiment import evaluate
    lib = whole[:a.n].select('kex')
    res = evaluate(lib, ['plsr', 'cnn'], seeds=[0])
    few = evaluate(lib, ['gpr'], seeds=[0], sizes=[1000])
    print(f'{len(lib)} of {a.n} selected, random split by sample, seed 0:')
    print(pd.concat([res.table(by=['model', 'size']), few.table(by=['model', 'size'])]).to_string())
    if a.full: print('all 50,494:'); print(evaluate(whole.select('kex'), ['plsr'], seeds=[0], jobs=1).table(by=['model', 'size']).to_string())
