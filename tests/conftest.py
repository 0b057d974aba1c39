import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')
import pytest

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
