"Every notebook is one test: its code runs in a process of its own, and what it prints is what stands in it"
import json, multiprocessing, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import compare_outputs

NOTEBOOKS = [p.relative_to(ROOT/'nbs').with_suffix('').as_posix() for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts]
# processes that have heavy packages in them already, and nothing of ours or of fastai's, which changes how tables print
KIND = 'forkserver' if sys.platform=='linux' else 'spawn'
PACKAGES = ['captum.attr', 'matplotlib.pyplot', 'nbdev.test', 'pandas', 'pyarrow.parquet', 'pywt', 'scipy.signal', 'scipy.stats', 'sklearn.cross_decomposition',
            'sklearn.gaussian_process', 'sklearn.model_selection', 'torch._dynamo']

@pytest.fixture(scope='session')
def processes():
    context = multiprocessing.get_context(KIND)
    if KIND=='forkserver': context.set_forkserver_preload(PACKAGES)
    return context

def work(pipe, path):
    try: pipe.send(('ran', compare_outputs.look(path)))
    except BaseException as e: pipe.send(('failed', f'{type(e).__name__}: {e}'[-4000:]))

def look(processes, path, timeout=600):
    "What comes out otherwise than it stands, from a process of its own"
    here, there = processes.Pipe()
    process = processes.Process(target=work, args=(there, path)); process.start(); there.close()
    try:
        assert here.poll(timeout), f'{path}: not done after {timeout} s'
        try: how, said = here.recv()
        except EOFError: how, said = 'failed', f'{path}: the process ended without a word'
    finally: process.kill(); process.join()
    assert how=='ran', said
    return said[0]

@pytest.mark.parametrize('name', NOTEBOOKS)
def test_notebook(processes, name):
    from nbdev.test import nb_test_cells
    path = ROOT/'nbs'/f'{name}.ipynb'
    assert nb_test_cells(path, [], []), f'{name}: nothing in it would run'
    found = look(processes, path)
    assert not found, '\n'.join([f'{name}: what stands there is not what comes out; run it anew, or mend the code', *found])

def made_up(path, *cells): # (source, what stands below it)
    cells = [dict(cell_type='code', id=f'c{i}', metadata={}, execution_count=1, source=source,
                  outputs=[dict(output_type='execute_result', execution_count=1, metadata={}, data={'text/plain': text})] if text else []) for i,(source,text) in enumerate(cells)]
    path.write_text(json.dumps(dict(cells=cells, metadata={'kernelspec': dict(display_name='python3', language='python', name='python3')}, nbformat=4, nbformat_minor=5)))
    return path

def test_what_a_notebook_is_failed_for(processes, tmp_path):
    "A number that does not come out, a cell that fails, a process that dies; a cell that is left out is not compared"
    good = [('x = 2; x+.5', '2.5'), ('#| eval: false\nx+9', '7')]
    assert look(processes, made_up(tmp_path/'good.ipynb', *good))==[]
    stale = look(processes, made_up(tmp_path/'stale.ipynb', *good, ('x*3.5', '8.0')))
    assert len(stale)==1 and 'cell 2 (c2): 8.0 has become 7.0' in stale[0]
    for cell,word in (('assert x==3', 'AssertionError'), ('import os; os._exit(3)', 'ended without a word')):
        with pytest.raises(AssertionError, match=word): look(processes, made_up(tmp_path/'bad.ipynb', *good, (cell, '')))
