"""What do a few local soils teach a library's model? `python benchmarks/local.py [--draws 10] [--places NRW.115,...] [--out FILE.csv]`

Places: LimeSoDa's MIR fields (clay, oc; CC BY-SA 4.0) with the real sample as library, and the sample itself split by cluster of its
spectra (kex, clay, oc, cec): one cluster is the place, the others are the library. n of the place's soils, drawn at random, are local
soils, all others are the test. Root mean square errors on the model's scale (log10 for kex, oc, cec), means over draws, of
  library  the Gaussian process of the library as it is
  line     corrected by a straight line through the local soils
  local    a Gaussian process on the local soils alone
  both     `Updated`: the library's process with the local soils
and the share of test soils inside 90% intervals whose widths come from the local soils, each left out once.
About 25 minutes of one core with ten draws.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, warnings
import numpy as np, pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from mirzai.datasets import LIMESODA_MIR, load_limesoda, load_sample
from mirzai.gpr import GPR
from mirzai.grids import to_grid
from mirzai.transforms import SNV
from mirzai.updating import Updated

SIZES = 5, 10, 20, 40
KEY = ['place', 'property', 'n']

def clusters(lib, k=5, seed=0): # (n,) of spectra, by the first eight principal components of their SNV
    shapes = PCA(8, random_state=seed).fit_transform(SNV().fit_transform(lib.spectra))
    return KMeans(k, n_init=10, random_state=seed).fit_predict(shapes)

def overlap(library, place): # both on the library's wavenumbers that the place has, too
    low,high = place.wavenumbers[0]+1, place.wavenumbers[-1]-1
    grid = library.wavenumbers[(library.wavenumbers>=low)&(library.wavenumbers<=high)]
    return to_grid(library, grid), to_grid(place, grid)

def places(names): # name, property, library, soils of the place
    sample = load_sample()
    for name in LIMESODA_MIR:
        if names and name not in names: continue
        for target in ('clay', 'oc'): yield name, target, *overlap(sample.select(target), load_limesoda(name).select(target))
    cluster = clusters(sample)
    for k in range(cluster.max()+1):
        if names and f'cluster{k}' not in names: continue
        for target in ('kex', 'clay', 'oc', 'cec'): yield f'cluster{k}', target, sample[cluster!=k].select(target), sample[cluster==k].select(target)

def half_width(model, level=.9): # in standard deviations of a prediction, from the local soils, each left out once
    predicted,sd = model.left_out()
    score = np.sort(np.abs(model.target_-predicted)/sd)
    rank = int(np.ceil(level*(len(score)+1)))
    return score[rank-1] if rank<=len(score) else np.inf

def one_draw(base, place, target, n, seed): # dict of what the table shows
    order = np.random.default_rng(seed).permutation(len(place))
    local,new = place[order[:n]], place[order[n:]]
    measured,as_library = (base._to_scale(lib.floored(target)) for lib in (new, local))
    both = Updated(base).fit(local)
    told = base.predict_scale(new)
    line = np.polyfit(base.predict_scale(local), as_library, 1)
    predicted = dict(library=told, line=np.polyval(line, told), local=GPR(target).fit(local).predict_scale(new), both=both.predict_scale(new))
    rmse = {name: np.sqrt(np.mean((measured-p)**2)) for name,p in predicted.items()}
    width = half_width(both)
    inside = np.nan if np.isinf(width) else np.mean(np.abs(measured-predicted['both'])<=width*both.predict_sd(new))
    return rmse|dict(spread=measured.std(), inside=inside)

def table(draws, names):
    rows = []
    for name,target,library,place in places(names):
        base = GPR(target).fit(library)
        for n in SIZES:
            if n>2/3*len(place): continue
            rows += [dict(place=name, property=target, n=n, draw=s)|one_draw(base, place, target, n, s) for s in range(draws)]
        print(pd.DataFrame(rows[-draws:]).drop(columns='draw').groupby(KEY).mean().round(3).to_string(header=False), flush=True)
    return pd.DataFrame(rows)

def verdict(t):
    means = t.drop(columns='draw').groupby(KEY).mean()
    better = means[['library', 'local']].min(axis=1)
    ratio = means.both/better
    r2 = 1-means[['library', 'line', 'local', 'both']].pow(2).div(means.spread**2, axis=0)
    print(means.assign(ratio=ratio).round(3).to_string())
    print(f'\nboth at most 1.05 times the better of library and local in {(ratio<=1.05).mean():.0%} of {len(ratio)} cells; largest {ratio.max():.2f}')
    print(f'R2, means over cells:\n{r2.groupby("n").mean().round(2).to_string()}')
    print(f'ratio by n:\n{ratio.groupby("n").agg(["median", "max"]).round(2).to_string()}')
    print(f'inside 90% intervals:\n{means.inside.groupby("n").agg(["mean", "min", "max"]).round(3).to_string()}')

if __name__=='__main__':
    warnings.filterwarnings('ignore')
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--draws', type=int, default=10)
    a.add_argument('--places', type=lambda s: s.split(','), default=[])
    a.add_argument('--out')
    a = a.parse_args()
    found = table(a.draws, a.places)
    if a.out: found.round(5).to_csv(a.out, index=False)
    verdict(found)
