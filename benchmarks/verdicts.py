"""How many bands hold where there is nothing to find, and does what holds lie where the drivers are?

    python benchmarks/verdicts.py nothing [--model plsr|gpr] [--permutations 20] [--seed 0] [--out FOLDER]
        the real sample; for each permutation the soils of one random split as they are, and with each other's potassium: share of bands
        that hold. PLSR: about four minutes on a free core; the Gaussian process: about half an hour
    python benchmarks/verdicts.py network [--n 6000] [--seed 0] [--out FOLDER]
        SYNTHETIC soils whose drivers are known; one network of the recipe for large libraries, two of other seeds, and the control's
        eight trainings on halves of the soils
With --out the tables go to verdicts_nothing_MODEL.csv and verdicts_network_SEED.csv there; nbs/75_verdicts.ipynb shows those of nbs/results.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, warnings
import numpy as np, pandas as pd
from pathlib import Path
from mirzai.experiment import random_split
from mirzai.library import SpectralLibrary
from mirzai.loading import load_sample
from mirzai.plsr import PLSR
from mirzai.gpr import GPR
from mirzai.synthetic import drivers, synthetic_library
from mirzai.transforms import to_grid
from mirzai.claims import span_of
from mirzai.verdicts import driver_rank, drivers_found, is_driver, verdicts

KEPT = ['low', 'high', 'importance', 'deletion', 'agreement', 'randomised', 'control', 'verdict', 'deletion_p', 'steady', 'control_p', 'false_alarms']
TESTED = [*KEPT, 'sign_agreement', 'rank_agreement', 'randomised_p', 'bands_of_nothing', 'strongest', 'share_on_drivers']

def four_fifths(lib, seed): return lib[np.sort(np.random.default_rng(seed).permutation(len(lib))[:int(.8*len(lib))])]

def one_split(lib, kind, seed):
    "Verdicts on the model of one split's training part, beside two of four fifths of it"
    rows = np.random.default_rng(seed).permutation(len(lib))
    train, test = lib[rows[:327]], lib[rows[327:]]
    model = (PLSR() if kind=='plsr' else GPR()).fit(train)
    return verdicts([model, *(model.refit(four_fifths(train, k)) for k in (1, 2))], test, train, seed=seed, quiet=True)[KEPT]

def nothing(kind, permutations, seed, out):
    lib = to_grid(load_sample().select('kex'), np.arange(600, 4001, 4.))
    tables = []
    for s in range(seed, seed+permutations):
        kex = np.random.default_rng(s).permutation(lib.y())
        permuted = SpectralLibrary(lib.spectra, lib.wavenumbers, lib.properties.assign(kex=kex), 'permuted')
        tables += [one_split(l, kind, s).assign(kex=what, seed=s) for what,l in (('as measured', lib), ('permuted', permuted))]
        t = pd.concat(tables)
        if out: t.round(4).to_csv(Path(out)/f'verdicts_nothing_{kind}.csv', index=False)
        print(f'{kind}, {s-seed+1} splits: '+'; '.join(f'{k}: {(g.verdict=="holds").sum()} of {len(g)} bands hold ({(g.verdict=="holds").mean():.1%}), '
              f'{(g.control=="holds").sum()} pass the control' for k,g in t.groupby('kex')), flush=True)

def network(n, seed, out):
    from mirzai.learner import CNNRegressor
    lib = synthetic_library(n, seed).select('kex')
    split = random_split(len(lib), seed)
    train, test = lib[split.train], lib[split.test]
    nets = [CNNRegressor(recipe='fast', nets=1, seed=k).fit(train) for k in range(3)]
    t = verdicts(nets, test, train, permutations=3, seed=seed)
    true, w = drivers(lib.wavenumbers), lib.wavenumbers
    on = is_driver(true, w)
    t['strongest'] = driver_rank(t, true, w)>=.8
    t['share_on_drivers'] = [on[slice(*span_of(w, b))].mean() for b in t.itertuples()]
    if out: t[TESTED].round(4).to_csv(Path(out)/f'verdicts_network_{seed}.csv', index=False)
    report(t, true, w)

def report(t, true, w):
    held, strong, on = t[t.verdict=='holds'], t[t.strongest], is_driver(true, w)
    inside = np.zeros(len(w), bool)
    for b in held.itertuples(): inside[slice(*span_of(w, b))] = True
    print(t[['low', 'high', 'importance', 'deletion', 'agreement', 'randomised', 'control', 'verdict', 'strongest', 'share_on_drivers']].round(2).to_string())
    print(f'SYNTHETIC: of {len(strong)} bands with the strongest drivers {(strong.verdict=="holds").sum()} hold; {len(held)} of all {len(t)}')
    print(f'control: of {t.bands_of_nothing.iloc[0]:.0f} bands of models of nothing {t.false_alarms.iloc[0]:.1%} would pass')
    if not len(held): return                                # nothing to say where it lies
    print(f'share of points on the strongest fifth of the drivers: in bands that hold {on[inside].mean():.0%}, anywhere {on.mean():.0%}')
    print(f'of bands that hold {held.strongest.mean():.0%} are among the strongest fifth of places; share of the strongest drivers found {drivers_found(held, true, w):.0%}')

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('part', choices=('nothing', 'network')); p.add_argument('--model', choices=('plsr', 'gpr')); p.add_argument('--out')
    p.add_argument('--permutations', type=int, default=20); p.add_argument('--seed', type=int, default=0); p.add_argument('--n', type=int, default=6000)
    a = p.parse_args(); warnings.filterwarnings('ignore')
    if a.part=='network': network(a.n, a.seed, a.out)
    else:
        for kind in [a.model] if a.model else ('plsr', 'gpr'): nothing(kind, a.permutations, a.seed, a.out)
