"""Are the kept numbers still what the code computes? `python benchmarks/kept.py [--quick] [--models plsr,gpr] [--only nested,splits,audit,page] [--rtol 0]`

Computed anew with the code as it stands, and compared value by value with what is kept in nbs/results:

    nested   nested cross-validation of the sample, ten folds, two repeats: scores and predictions (`nested_cv_*.parquet`)
    splits   ten random splits of the sample: scores and predictions (`ten_splits_*.parquet`)
    audit    the verdicts on the paper's published numbers, from the kept runs in nbs/paper/results (`audit.csv`)
    page     the tables of README.md: those numbers, rounded; nothing is fitted

Prints `unchanged` or a line for each difference; exit code 1 where there is any. On the machine that made the files nothing
differs by a bit; another processor rounds otherwise: give --rtol 1e-6. --models names the models that are fitted (all five:
plsr,gpr,gpr-transfer,cnn-transfer, and cnn, which takes an hour and stands in `nested` alone). `plsr,gpr` take about four
minutes on one core, the audit one and a half.

--quick, under a minute: of `nested` and `splits` all fits of plsr and the first of each other model, of the rest the page.

What is not compared, because older code made it: `nested_cv_*_0.9.0` (trained on the soils from 0.12 up), `intervals.md`
(0.10.0, before the kernels left out the region of carbon dioxide; `python benchmarks/intervals.py` makes it), and the runs
below nbs/paper/results (0.5.0). `about.json` of each folder says which code made what.
"""
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
import argparse, sys, warnings
from pathlib import Path
import numpy as np, pandas as pd

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT/'nbs'/'results'
KEYS = dict(scores=['model', 'seed', 'scope', 'size', 'group', 'split'],
            predictions=['model', 'seed', 'scope', 'size', 'fold', 'split', 'id'],
            audit=['where', 'row', 'model', 'metric', 'published'])
PARTS = dict(nested=('nested_cv', dict(folds=10, seeds=range(2))), splits=('ten_splits', dict(folds=None, seeds=range(10))))

def differs(kept, now, rtol): # (n,) booleans: are two columns other values?
    if kept.dtype.kind!='f': return (kept.astype(str)!=now.astype(str)).to_numpy()
    return ~np.isclose(now.to_numpy(float), kept.to_numpy(float), rtol=rtol, atol=0, equal_nan=True)

def differences(what, kept, now, keys, rtol=0)->list: # of lines
    "Where a table computed anew is not the kept one"
    keys = [k for k in keys if k in kept]
    if list(kept)!=list(now): return [f'{what}: other columns: {sorted(set(kept)^set(now)) or "in another order"}']
    a,b = (t.assign(again=t.groupby(keys, dropna=False).cumcount()).set_index([*keys, 'again']) for t in (kept, now))
    lines = [f'{what}: {len(only)} row(s) {where}, such as {tuple(only[0][:-1])}' for only,where in
             ((a.index.difference(b.index, sort=False), 'are gone'), (b.index.difference(a.index, sort=False), 'are new')) if len(only)]
    rows = a.index.intersection(b.index, sort=False)
    a,b = a.loc[rows], b.loc[rows]
    for column in a:
        bad = differs(a[column], b[column], rtol)
        if bad.any():
            i = np.flatnonzero(bad)[0]
            lines.append(f'{what}: {column} is another in {bad.sum()} of {len(rows)} rows, such as {tuple(rows[i][:-1])}: '
                         f'{a[column].iloc[i]!r} was kept, {b[column].iloc[i]!r} comes out')
    return lines

def fitted(lib, tasks, jobs)->dict: # scores and predictions of these tasks
    from mirzai.experiment import run_task, with_splits
    from mirzai.results import finish, scoring_of
    from mirzai.store import together
    from mirzai.sweep import sweep
    tasks,splits = zip(*with_splits(lib, tasks))
    out,failed = sweep(lib, tasks, run_task, jobs=jobs, label='fitting anew', given=[dict(split=s) for s in splits])
    if failed: raise SystemExit(f'a fit failed: {next(iter(failed.values())).splitlines()[0]}')
    return finish(together(out), **scoring_of('kex'))

def first_of(tasks): # all fits of plsr, the first of each other model
    seen = set()
    return [t for t in tasks if t['model']=='plsr' or not (t['model'] in seen or seen.add(t['model']))]

def of_fits(kept, tasks): # rows of a kept table of predictions that these tasks must give
    keys = [k for k in ('model', 'seed', 'fold') if k in kept]
    return kept[pd.MultiIndex.from_frame(kept[keys]).isin([tuple(t[k] for k in keys) for t in tasks])]

def whole(scores, tasks, folds): # kept rows of sets of which every fold was fitted
    n = pd.Series([(t['model'], t['seed']) for t in tasks]).value_counts()
    return scores[pd.MultiIndex.from_frame(scores[['model', 'seed']]).isin(list(n[n==(folds or 1)].index))]

def check_fits(part, models, quick, rtol, jobs)->list:
    from mirzai.experiment import tasks_of
    from mirzai.loading import load_sample
    name,how = PARTS[part]
    kept = {k: pd.read_parquet(KEPT/f'{name}_{k}.parquet') for k in ('scores', 'predictions')}
    models = [m for m in models if m in set(kept['scores'].model)]
    lib = load_sample().usable('kex')
    tasks = tasks_of(models, how['seeds'], None, ['all'], how['folds'], 'kex', {})
    if quick: tasks = first_of(tasks)
    now = fitted(lib, tasks, jobs)
    want = dict(scores=whole(kept['scores'], tasks, how['folds']), predictions=of_fits(kept['predictions'], tasks))
    if part=='nested': now['predictions'] = now['predictions'].query('split=="test"')
    print(f'{part}: {len(tasks)} fits, {len(want["predictions"])} predictions, {len(want["scores"])} scores', flush=True)
    return [l for k in want for l in differences(f'{name}_{k}', want[k], now[k][list(want[k])], KEYS[k], rtol)]

def check_audit(rtol)->list:
    from mirzai.loading import load_sample
    from mirzai.paper.audit import audit
    from mirzai.paper.runs import PaperRuns
    runs = PaperRuns(ROOT/'nbs'/'paper'/'results')
    now = audit(runs, load_sample(), pd.read_csv(runs.path/'faults.csv'))
    print(f'audit: {len(now)} published numbers', flush=True)
    return differences('audit', *(t.fillna({'row': '', 'model': '', 'metric': ''}) for t in (pd.read_csv(KEPT/'audit.csv'), now)), KEYS['audit'], rtol)

def nested_rows(scores, soils)->list: # lines of the README
    "Kept scores as the page writes them"
    lines = []
    for model,t in scores.groupby('model', sort=False):
        text = {k: ', '.join(f'{v:.{0 if k=="mape" else 3}f}' for v in t[k]) for k in ('r2', 'lccc', 'rmse', 'mape', 'bias')}
        lines.append(f'| {soils} | {model} | {t.n.iloc[0]} | '+' | '.join(text.values())+' |')
    return lines

def check_page(readme=None)->list:
    "Are the README's rows the kept numbers?"
    page = (ROOT/'README.md').read_text(encoding='utf-8') if readme is None else readme
    now,old = (pd.read_parquet(KEPT/f'nested_cv_scores{v}.parquet') for v in ('', '_0.9.0'))
    rows = [*nested_rows(now[now.group=='all'], 'all'), *nested_rows(now[now.group=='from 0.12'], 'from 0.12 up'),
            *nested_rows(old, 'from 0.12 up, trained on them alone (0.9.0)'),
            *(l for l in (KEPT/'intervals.md').read_text(encoding='utf-8').splitlines() if l.strip())]
    print(f'page: {len(rows)} lines of tables', flush=True)
    return [f'README.md: lacks a line as it is kept: {r}' for r in rows if r not in page.splitlines()]

def main(args=None)->int: # exit code
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--quick', action='store_true'); a.add_argument('--models', default='plsr,gpr')
    a.add_argument('--only', default='nested,splits,audit,page'); a.add_argument('--rtol', type=float, default=0); a.add_argument('--jobs', type=int)
    a = a.parse_args(args)
    only,lines = a.only.split(','), []
    if unknown := set(only)-{*PARTS, 'audit', 'page'}: raise SystemExit(f'--only {",".join(sorted(unknown))}: use nested, splits, audit, page')
    warnings.simplefilter('ignore')
    from mirzai.store import unrecorded
    lines += [f'{KEPT.name}/{f}: is not the file its record stands for' for f in unrecorded(KEPT)]
    for part in PARTS:
        if part in only: lines += check_fits(part, a.models.split(','), a.quick, a.rtol, a.jobs)
    if 'audit' in only and not a.quick: lines += check_audit(a.rtol)
    if 'page' in only: lines += check_page()
    print('\n'.join(lines) or 'unchanged')
    return int(bool(lines))

if __name__=='__main__': sys.exit(main())
