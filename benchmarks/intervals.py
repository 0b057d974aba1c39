"""Do intervals and probabilities hold for all soils of a laboratory? `python benchmarks/intervals.py [--models ...] [--divisions 10] [--learn] [--out FILE]`

The real sample, all 495 soils with a sound spectrum, those below the detection limit included: ten random divisions by sample into halves. A
model is trained by the command on one half (`mirzai train HALF --model NAME`, ten folds), and its 90% intervals and P(Kex < t) are judged on
the other. A soil below the detection limit of 0.06 counts as held when its interval reaches below that. Means over the divisions, and their
standard deviation in brackets. Columns: `held` share of all soils inside, of those under 0.12, of the richest fifth; `score` mean interval
score on log10 with values under the limit raised to it; `width` median factor either way; `P(t)` mean probability less the share that was
below t; `cost(t)` what the decisions cost a soil (a miss 5, an analysis 0.2), r2 over all soils and from 0.12 up.
With --learn: the same with models that learn from all soils or only from those above the floor of 0.12, the Gaussian process also without
the laboratory's own error; and with equal tails instead of a third of the misses below.
About eight minutes on two cores for the four models.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, contextlib, io, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import numpy as np, pandas as pd
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

TIMES = (.14, .2, .3, .53)

def judged(p, new): # one row
    from mirzai.field import DECISIONS, decide, expected_costs
    from mirzai.metrics import scores
    from mirzai.uncertainty import held, interval_score
    y,limit = new.y(), new.limit()
    tables = {t: p.predict(new, t) for t in TIMES}
    t = tables[.53]
    inside,ends = held(y, t.lower, t.upper, limit), np.maximum([new.floored(), t.lower, t.upper], limit)
    out = dict(held=inside.mean(), under=inside[y<.12].mean(), rich=inside[y>np.quantile(y, .8)].mean(),
               score=interval_score(*np.log10(ends)), width=np.sqrt(np.median(t.upper/t.lower)))
    for at,u in tables.items(): out[f'P({at})'] = u.p_below.mean()-np.mean(y<at)
    for at,u in tables.items():
        d = decide(u.p_below, ['']*len(u), True).decision
        out[f'cost({at})'] = np.mean([c[DECISIONS.index(x)] for c,x in zip(expected_costs(y<at), d)])
    up = y>=.12
    return out|dict(r2=scores(y, t.predicted.to_numpy(), limit=limit)['r2'], r2_up=scores(y[up], t.predicted.to_numpy()[up])['r2'])

def changed(how): # the classes as an alternative wants them
    from mirzai.gpr import GPR, LAB_ERROR
    from mirzai.plsr import PLSR
    from mirzai.uncertainty import POORER
    from mirzai.learner import CNNRegressor
    if how=='learn from all': PLSR.learns_poor = True
    if how=='learn from 0.12 up': GPR.learns_poor = False; GPR._shift = lambda self, by: setattr(self, 'mean_', self.mean_+by); CNNRegressor.learns_poor = False
    if how=='no laboratory error': LAB_ERROR.clear()
    if how=='equal tails': POORER.clear()

def division(name, how, seed): # trained by the command on one half, judged on the other
    warnings.simplefilter('ignore')
    changed(how)
    from mirzai.cli import main
    from mirzai.loading import load_sample, write_library
    from mirzai.predictor import Predictor
    lib = load_sample().usable('kex')
    rows = np.random.default_rng(seed).permutation(len(lib))
    half,rest = np.sort(rows[:len(lib)//2]), np.sort(rows[len(lib)//2:])
    with tempfile.TemporaryDirectory() as d:
        write_library(lib[half], f'{d}/half.parquet')
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(['train', f'{d}/half.parquet', '--model', name, '--jobs', '1', '--out', f'{d}/model'])
        assert code==0, said.getvalue()
        return dict(model=name, how=how, division=seed)|judged(Predictor.load(f'{d}/model'), lib[rest])

def as_markdown(shipped, a): # the README's table
    columns = {'held': 'inside 90% intervals', 'under': 'of soils under 0.12', 'rich': 'of the richest fifth', **{f'P({t})': f'P(<{t}) less share' for t in TIMES}}
    rows = [f'| {m} | '+' | '.join(f'{r[c]:.3f}' for c in columns)+' |' for m,r in shipped.iterrows()]
    return '\n'.join(['| model | '+' | '.join(columns.values())+' |', '|---'*(1+len(columns))+'|', *rows,
                      f'\nMeans over {a.divisions} divisions, by mirzai {version("mirzai")}.\n'])

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--models', default='plsr,gpr,gpr-transfer,cnn-transfer'); a.add_argument('--divisions', type=int, default=10)
    a.add_argument('--first', type=int, default=0, help='seed of the first division'); a.add_argument('--jobs', type=int, default=2)
    a.add_argument('--learn', action='store_true', help='also the alternatives'); a.add_argument('--out', help='also write every row as CSV'); a.add_argument('--kept', help='also write the means as Markdown')
    a = a.parse_args()
    others = {'plsr': ['learn from all'], 'gpr': ['learn from 0.12 up', 'no laboratory error']}
    others |= {'gpr-transfer': others['gpr'], 'cnn-transfer': others['gpr']}
    calls = [(m, how, s) for m in a.models.split(',') for how in ['as shipped', *((others[m]+['equal tails']) if a.learn else [])]
             for s in range(a.first, a.first+a.divisions)]
    # a process each: an alternative changes its process for good
    with ProcessPoolExecutor(a.jobs, get_context('spawn'), max_tasks_per_child=1) as pool: rows = pd.DataFrame(pool.map(division, *zip(*calls)))
    if a.out: rows.to_csv(a.out, index=False)
    by = rows.drop(columns='division').groupby(['model', 'how'], sort=False)
    mean,sd = by.mean(), by.std()
    print(f'{a.divisions} divisions of 495 soils into halves, trained by the command on one, judged on the other: means')
    print(mean.round(3).T.to_string()); print('\nstandard deviations over the divisions'); print(sd[['held', 'under', 'rich', 'score']].round(3).T.to_string())
    shipped = mean.xs('as shipped', level='how')
    aims = pd.DataFrame({'all soils .86 to .94': shipped.held.between(.86, .94), 'under 0.12 at least .75': shipped.under>=.75,
                         **{f'P({t}) within .05': shipped[f'P({t})'].abs()<=.05 for t in TIMES}})
    print('\naims'); print(aims.T.to_string())
    if a.kept: Path(a.kept).write_text(as_markdown(shipped, a))
