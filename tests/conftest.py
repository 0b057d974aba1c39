import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')
import pytest

# the longest tests, longest first: where they begin, no worker is left alone with one at the end
LONG = ['55_learner', '75_verdicts', '66_uncertainty', '96_cli', '71_attribution', '68_applicability', '84_predictor', '53_backbone', '63_experiment', '51_fused',
        '45_gpr', '46_ensemble', '56_transfer', 'tutorials/your_own_spectra', 'tutorials/opus_to_report', 'tutorials/from_r']

def pytest_collection_modifyitems(items):
    "Each worker begins with its share of the longest tests; pytest-xdist hands out equal stretches of this list"
    workers = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1))
    if workers==1: return
    found = {item.callspec.id: item for item in items if item.name.startswith('test_notebook[')}
    long = [found[name] for name in LONG if name in found]
    ids = {id(item) for item in long}
    rest = [item for item in items if id(item) not in ids]
    ordered, left = [], len(items)
    for k in range(workers):
        first = long[k::workers]
        room = max(left//(workers-k)-len(first), 0)
        left -= len(first)+len(rest[:room])
        ordered += first+rest[:room]
        rest = rest[room:]
    items[:] = ordered+rest

@pytest.fixture(scope='session')
def sample():
    from mirzai.loading import load_sample
    return load_sample()

@pytest.fixture
def mirzai(capsys):
    "Run the command in this process: exit code, standard output, error lines"
    from mirzai.cli import main
    def run(*args):
        capsys.readouterr()
        try: code = main([str(a) for a in args])
        except SystemExit as e: code = e.code
        out = capsys.readouterr()
        return code, out.out, out.err
    return run
