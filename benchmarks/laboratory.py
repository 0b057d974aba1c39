"""Are the promises to a laboratory kept? `python benchmarks/laboratory.py [--n 4000] [--models plsr,gpr,cnn] [--quick] [--out DIR]`

Coverage of 90% intervals over all and by order, calibration of P(Kex < t), the share of known spectra that are flagged, and how well
strangers are told from known spectra, with the split named for each number. SYNTHETIC soils, 4 cm-1 apart: a random split by sample and
one grouped by profile, each calibrated with folds of its own kind, judged on its own test part and on 4,000 fresh soils from another
seed. The real sample (752 to 3798 cm-1, where all instruments measured): repeated random hold-outs by sample. LimeSoDa is CC BY-SA 4.0.
Two minutes on two cores for PLSR; prints tables and writes them only with --out.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, time, warnings
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd
from joblib import Parallel, delayed
from scipy.interpolate import CubicSpline
from mirzai.applicability import separation, certify, fit_domain
from mirzai.experiment import grouped_split, make_model, random_split
from mirzai.library import SpectralLibrary
from mirzai.loading import LIMESODA_MIR, load_limesoda, load_sample
from mirzai.synthetic import synthetic_library
from mirzai.transforms import to_grid
from mirzai.uncertainty import Calibration, check

COARSE, COMMON = np.arange(600, 4001, 4.), np.arange(752, 3799, 2.)
flagged = lambda t: (t.reason!='').mean()
like = lambda lib, X: SpectralLibrary(X, lib.wavenumbers, lib.properties, lib.name)
show = lambda t: print(t.to_string(index=False, float_format='{:.3f}'.format), '\n', flush=True)

def spoiled(lib, seed=0): # the same soils, spoiled in known ways
    w,X,rng = lib.wavenumbers, lib.spectra.astype(float), np.random.default_rng(seed)
    moved = CubicSpline(w, X, axis=1)
    high = np.quantile(X.max(1), .05)                # 95% of the spectra reach it
    return {**{f'shifted by {d} cm-1': like(lib, moved(np.clip(w+d, w[0], w[-1]))) for d in (2, 4, 8)},
            **{f'noise of {s}': like(lib, X+rng.normal(0, s, X.shape)) for s in (.002, .005)},
            f'clipped at {high:.2f}': like(lib, np.minimum(X, high)), 'as reflectance': like(lib, 10**-X)}

def fitted(make, lib, groups, jobs):
    c,held = certify(make, lib, groups=groups, by='order' if 'order' in lib.properties else None, jobs=jobs)
    return (m := make().fit(lib)), c, fit_domain(m, lib, held)

def kept(model, c, new, label): # one row: coverage and ECE; the rows by order; ECE by threshold
    k = check(c, model.predict(new), new, by='order' if 'order' in new.properties else None)
    t,p = k.coverage, k.probability
    row = label|dict(n=t.n[0], covered=t.covered[0], width=t.width[0], outside=int((~t.within[1:]).sum()), ece=p.ece['mean'],
                     ece_by_chance=p.by_chance['mean'], **{f'ece_{k}': v for k,v in p.ece.items() if k!='mean'})
    return row, t.assign(**label)

def bias(model, c, lib, new): # by order: soils calibrated on, fresh profiles, mean error on log10 there and here
    r,o = np.log10(new.y()/model.predict(new)), new.properties.order.to_numpy()
    known = pd.Series(c.arrays['residual']).groupby(lib.properties.order.to_numpy())
    here = pd.DataFrame(dict(bias_fresh=r, profiles=new.properties.profile.to_numpy())).groupby(o)
    return pd.DataFrame(dict(calibrated_on=known.size(), profiles=here.profiles.nunique(), bias_calibration=known.mean(), bias_fresh=here.bias_fresh.mean()))

def strangers(known, looks, label): # rows: AUROC and share flagged of each kind
    return [label|dict(stranger=k, n=len(t), auroc=separation(known.strangeness, t.strangeness), flagged=flagged(t),
                       median_strangeness=t.strangeness.median()) for k,t in looks.items()]

def synthetic(name, n, n_fresh, jobs):
    whole = synthetic_library(int(n*1.6), 0, COARSE).select('kex')[:round(n/.8)]
    fresh = synthetic_library(int(n_fresh*1.3), 1, COARSE).select('kex')[:n_fresh]
    make,rows,orders,flags,odd = partial(make_model, name), [], [], [], []
    profiles = whole.properties.profile.to_numpy()
    for split,groups,s in (('random by sample', None, random_split(len(whole), 0, 0, .2)),
                           ('grouped by profile', 'profile', grouped_split(profiles, 0, 0, .2))):
        train = whole[s.train]
        model,own,domain = fitted(make, train, groups, jobs)
        c = Calibration(own.arrays, own.settings|dict(by=None))
        for where,new in (('its test part', whole[s.test]), ('fresh soils', fresh)):
            label = dict(model=name, soils=f'SYNTHETIC, {len(train)}', folds=split, judged_on=where)
            for errors,cal in (('of all', c), ('by order', own)):
                row,t = kept(model, cal, new, label|dict(errors=errors))
                rows.append(row); orders.append(t)
            look = domain.assess(new, model)
            flags.append(label|dict(n=len(new), flagged=flagged(look), **{f'{k}_beyond': (look[k]>1).mean() for k in ('q', 't2', 'remoteness')}))
    off = bias(model, own, train, fresh)
    label = dict(model=name, soils=f'SYNTHETIC, {len(train)}, {split}')
    some = fresh[:500]
    odd += strangers(look, {k: domain.assess(l, model) for k,l in spoiled(some).items()}, label)
    hist = lambda l: (l.properties.order=='histosols').to_numpy()
    m = make().fit(poor := train[~hist(train)])
    d = fit_domain(m, poor)
    odd += strangers(d.assess(fresh[~hist(fresh)], m), {'histosols, none in training': d.assess(fresh[hist(fresh)], m)}, label)
    return rows, orders, off, flags, odd

def holdout(name, seed, others):
    warnings.simplefilter('ignore')
    lib = to_grid(load_sample().select('kex'), COMMON)
    s = random_split(len(lib), seed, 0, .2)
    train,test,make = lib[s.train], lib[s.test], partial(make_model, name)
    model,c,domain = fitted(make, train, None, 1)
    label = dict(model=name, soils=f'real, {len(train)}', folds='random by sample', judged_on='its test part')
    row,_ = kept(model, c, test, label|dict(errors='of all'))
    known = domain.assess(test, model)
    odd = strangers(known, {k: domain.assess(l, model) for k,l in (spoiled(test, seed)|others).items()}, {})
    for least in (12, 20):
        high = lambda l, least=least: l.properties.oc.to_numpy()>least
        poor,mineral = train[~high(train)], test[~high(test)]
        m = make().fit(poor)
        d = fit_domain(m, poor)
        odd += strangers(d.assess(mineral, m), {f'organic, oc above {least}%, none in training': d.assess(lib[high(lib)], m)}, {})
    return row, label|dict(n=len(test), flagged=flagged(known)), odd

def real(name, seeds, jobs):
    others = {f'{k} ({v})': load_limesoda(k) for k,v in LIMESODA_MIR.items()}
    rows,flags,odd = zip(*Parallel(jobs)(delayed(holdout)(name, s, others) for s in range(seeds)))
    rows,flags,odd = pd.DataFrame(rows), pd.DataFrame(flags), pd.DataFrame(sum(odd, []))
    number = rows.select_dtypes('number').columns.difference(['n', 'outside'])
    spread = pd.DataFrame({'mean': rows[number].mean(), 'sd of hold-outs': rows[number].std()}).rename_axis('figure').reset_index()
    odd['stranger'] = odd.stranger.str.replace(r'clipped at.*', 'clipped where 95% are cut', regex=True)
    odd = odd.groupby('stranger', sort=False).agg(n=('n', 'first'), auroc=('auroc', 'mean'), sd=('auroc', 'std'), flagged=('flagged', 'mean'),
                                                  median_strangeness=('median_strangeness', 'mean')).reset_index()
    return rows, spread, flags, odd

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--n', type=int, default=4000, help='SYNTHETIC training soils')
    a.add_argument('--models', default='plsr', help='comma-separated: plsr, gpr, cnn'); a.add_argument('--holdouts', type=int, default=10)
    a.add_argument('--quick', action='store_true', help='600 soils, 1,000 fresh ones, 3 hold-outs'); a.add_argument('--jobs', type=int, default=2)
    a.add_argument('--out', help='folder for the tables as CSV')
    a = a.parse_args()
    n,n_fresh,seeds = (600, 1000, 3) if a.quick else (a.n, 4000, a.holdouts)
    warnings.simplefilter('ignore')
    tables,start = {}, time.perf_counter()
    for name in a.models.split(','):
        rows,orders,off,flags,odd = synthetic(name, n, n_fresh, a.jobs)
        rows,orders,flags,odd = pd.DataFrame(rows), pd.concat(orders), pd.DataFrame(flags), pd.DataFrame(odd)
        print(f'{name}: 90% intervals and P(Kex < t) on SYNTHETIC soils (aim: covered .88 to .92, ECE at most .03)'); show(rows)
        print('by order, fresh soils, folds and training grouped by profile: coverage with the errors of all and with errors by order (where 100 soils '
              'were\ncalibrated on), the 99% band of chance for that many independent soils, and the mean error on log10')
        o = orders[(orders.judged_on=='fresh soils')&(orders.folds=='grouped by profile')].pivot(index=['group', 'n', 'low', 'high'], columns='errors', values='covered')
        show(o.reset_index().merge(off, left_on='group', right_index=True, how='left').sort_values('n', ascending=False))
        print('known SYNTHETIC spectra that are flagged (aim: .01 to .05)'); show(flags)
        print('SYNTHETIC strangers against fresh soils: AUROC of strangeness'); show(odd)
        one,spread,known,real_odd = real(name, seeds, a.jobs)
        print(f'{name}: the real sample, {seeds} random hold-outs by sample of {one.n[0]} of 409, calibrated with folds by sample'); show(spread)
        print(f'known real spectra that are flagged: {known.flagged.mean():.3f} (sd of hold-outs {known.flagged.std():.3f}; aim: .01 to .05)\n')
        print('strangers against the held-out real soils: AUROC of strangeness, mean and sd of hold-outs'); show(real_odd)
        new = dict(intervals=pd.concat([rows, one]), orders=orders, flagged=pd.concat([flags, known]), strangers=pd.concat([odd, real_odd.assign(model=name, soils='real')]))
        tables = {k: pd.concat([tables[k], v]) if k in tables else v for k,v in new.items()}
    print(f'{time.perf_counter()-start:.0f} s')
    if a.out:
        Path(a.out).mkdir(parents=True, exist_ok=True)
        for k,t in tables.items(): t.to_csv(Path(a.out)/f'{k}.csv', index=False)
