import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')
import pytest

# the longest tests, longest first: where they begin, no worker is left alone with one at the end
LONG = ['test_the_command_at_the_scale_of_a_sample', '55_learner', 'test_killed_at_random_moments',
        'test_a_network_band_planted_in_the_spectra_holds_and_one_in_the_picture_does_not', 'test_dask_cluster_gives_the_same_scores', '96_cli', 'paper/02_lr_range', '63_experiment',
        '71_attribution', '68_applicability', '52_pretraining', '75_verdicts', '66_uncertainty', 'test_two_processes_share_a_store', 'paper/08_faults', '51_fused', '91_running', 'known',
        '94_explaining', '84_predictor', '45_gpr', '46_ensemble', '47_foreign', '56_transfer', 'tutorials/your_own_spectra', 'tutorials/opus_to_report', 'tutorials/from_r']

def pytest_collection_modifyitems(items):
    "Each worker begins with its share of the longest tests; pytest-xdist hands out equal stretches of this list"
    workers = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1))
    if workers==1: return
    found = {item.name.removeprefix('test_notebook[').removesuffix(']'): item for item in items}
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
