"Every notebook is one test, run in a process of its own, as its code stands"
import os, subprocess, sys
from pathlib import Path
import pytest

root = Path(__file__).parent.parent
notebooks = sorted(p.relative_to(root/'nbs').with_suffix('').as_posix() for p in (root/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)

@pytest.mark.parametrize('name', notebooks)
def test_notebook(name):
    from nbdev.test import nb_test_cells
    nb = root/'nbs'/f'{name}.ipynb'
    assert nb_test_cells(nb, [], []), f'{name}: nothing in it would run'
    env = os.environ | {'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'Agg'}
    r = subprocess.run([Path(sys.executable).with_name('nbdev-test'), nb], cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert r.returncode==0 and 'Success.' in r.stdout+r.stderr, (r.stdout+r.stderr)[-4000:]
