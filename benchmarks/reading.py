"""Does the explanation find the drivers, and do the paper's bands hold? Runs the paper's chapter 8b and prints its tables.

    python benchmarks/reading.py [--out nbs/paper/results]     # 20,000 synthetic soils: half an hour on two cores
"""
import argparse, tempfile
import pandas as pd
from pathlib import Path
from mirzai.experiment import made_by
from mirzai.paper.reading import make_reading
from mirzai.store import record_made

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__); p.add_argument('--n', type=int, default=20_000); p.add_argument('--seeds', type=int, default=3)
    p.add_argument('--out', help='folder of the paper\'s results (default: nothing is kept)')
    a = p.parse_args()
    t = make_reading(Path(a.out or tempfile.mkdtemp()), a.n, a.seeds)
    if a.out: record_made(a.out, made_by([make_reading])|dict(command=f'python benchmarks/reading.py --n {a.n} --seeds {a.seeds}'))
    pd.set_option('display.width', 200); pd.set_option('display.max_columns', 30); pd.set_option('display.max_colwidth', 60)
    print(f'\nSYNTHETIC library, {a.n} soils, random split 0, test R2:\n{t["scores"].to_string(index=False)}')
    print(f'\nAUROC by wavenumber against the strongest fifth of the drivers, with 95% intervals:\n{t["auroc"].query("share==.2").drop(columns="share").round(3).to_string(index=False)}')
    shown = ['library', 'model', 'bands', 'low', 'high', 'assignment', 'importance', 'deletion', 'agreement', 'randomised', 'control', 'drivers', 'verdict']
    print(f'\nVerdicts:\n{t["verdicts"][shown].round(2).to_string(index=False)}')
    for k in ('by_order', 'orders', 'pairs'): print(f'\n{k}:\n{t[k].round(3).to_string(index=False)}')
