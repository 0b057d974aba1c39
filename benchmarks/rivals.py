"""How do others' models do on the same splits? `python benchmarks/rivals.py [--jobs N]`

Judges Cubist (`mirzai.foreign:cubist`, needs `pip install mirzai[rivals]`) as our own models are judged in the kept tables of
nbs/results: ten random splits of the sample, and nested cross-validation of ten folds, two repeats. About a minute on one core.
Writes `rivals_ten_splits_*.parquet` and `rivals_nested_cv_*.parquet` beside them, and prints all models together; then
`python benchmarks/record.py nbs/results "python benchmarks/rivals.py"` says who made them. The same by the command, without the
kept files: `mirzai evaluate sample --models plsr,gpr,mirzai.foreign:cubist --splits 10`.
"""
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
import argparse
from pathlib import Path
import pandas as pd
from mirzai.datasets import load_sample
from mirzai.experiment import evaluate

KEPT = Path(__file__).resolve().parents[1]/'nbs'/'results'
RIVALS = {'cubist': 'mirzai.foreign:cubist'}
WAYS = dict(ten_splits=dict(seeds=range(10)), nested_cv=dict(folds=10, seeds=range(2)))

def shown(ours, theirs)->pd.DataFrame: # r2, lccc, mape, bias of the test soils, mean over splits or repeats
    s = pd.concat([ours, theirs]).query('split=="test" and group=="all"')
    return s.groupby('model')[['r2', 'lccc', 'mape', 'bias']].mean().sort_values('r2', ascending=False).round(3)

if __name__=='__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--jobs', type=int, default=1)
    jobs = parser.parse_args().jobs
    lib = load_sample().usable('kex')
    for way,how in WAYS.items():
        found = evaluate(lib, RIVALS, **how, keep=('test',), jobs=jobs)
        found.scores.to_parquet(KEPT/f'rivals_{way}_scores.parquet', index=False)
        found.predictions.to_parquet(KEPT/f'rivals_{way}_predictions.parquet', index=False)
        print(way, shown(pd.read_parquet(KEPT/f'{way}_scores.parquet'), found.scores), sep='\n', flush=True)
