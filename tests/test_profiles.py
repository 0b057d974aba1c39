"Profiles stay together wherever they are known, what groups nothing is said, and `mirzai run` prints no library's warning"
import json, os, subprocess, sys
import pandas as pd, pytest
from mirzai.library import SpectralLibrary
from mirzai.loading import write_library

@pytest.fixture(scope='module')
def soils(sample): lib = sample.usable()[:60]; return SpectralLibrary(lib.spectra[:, ::10], lib.wavenumbers[::10], lib.properties[['kex']])

def with_profiles(soils, path, profile):
    write_library(SpectralLibrary(soils.spectra, soils.wavenumbers, soils.properties.assign(profile=profile)), path); return path

def commands(f, d): return dict(run=('run', '--library', f, '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', d/'run'), train=('train', f, '--model', 'plsr', '--folds', 3, '--jobs', 1, '--out', d/'train'),
                                evaluate=('evaluate', f, '--models', 'plsr', '--splits', 1, '--grouped', '--jobs', 1, '--out', d/'evaluate'))
def how(d): return json.loads((d/'model.json').read_text())['calibration']['split']

def test_run_keeps_profiles_together(mirzai, tmp_path):
    assert mirzai('data', 'synthetic', '--n', 300, '--out', tmp_path/'s.csv')[0]==0
    code,out,err = mirzai('run', '--library', tmp_path/'s.csv', '--models', 'plsr', '--seeds', 2, '--jobs', 1, '--out', tmp_path/'r'); assert code==0, err
    p = pd.read_csv(tmp_path/'r'/'predictions.csv').merge(pd.read_csv(tmp_path/'s.csv', usecols=['id', 'profile']), on='id')
    assert p.groupby(['seed', 'profile']).split.nunique().max()==1 and p.profile.value_counts().max()>2 and p[p.split=='test'].groupby('seed').profile.unique().map(tuple).nunique()==2
    m = tmp_path/'r'/'models'/'plsr'; assert 'by profile' in out and 'by profile' in how(m) and all('by profile' in s['split'] for s in json.loads((m/'model.json').read_text())['scores']) and 'by sample' not in out

def test_run_by_sample_where_nothing_is_known(mirzai, soils, tmp_path):
    write_library(soils, tmp_path/'t.csv'); code,out,_ = mirzai(*commands(tmp_path/'t.csv', tmp_path)['run']); assert code==0 and 'by sample' in out and 'profile' not in out and 'by sample' in how(tmp_path/'run'/'models'/'plsr')

@pytest.mark.parametrize('profile', [[f'p{i}' for i in range(60)], [None]*60, ['']*60], ids=['each its own', 'missing', 'empty'])
def test_a_column_that_groups_nothing_is_said(mirzai, soils, tmp_path, profile):
    f = with_profiles(soils, tmp_path/'t.csv', profile)
    for n,args in commands(f, tmp_path).items():
        code,out,err = mirzai(*args); assert code==0 and 'groups nothing' in out+err, (n, out, err)
    assert 'by sample' in how(tmp_path/'run'/'models'/'plsr') and 'groups nothing' in how(tmp_path/'train')

@pytest.mark.parametrize('profile', [['p']*60, [' ']*60, ['unknown']*60], ids=['one', 'blank', 'unknown'])
def test_a_column_of_one_profile(mirzai, soils, tmp_path, profile):
    "Nothing can be held out: split by sample and said, or, where groups were asked for, refused in a line that names the table and the column"
    f = with_profiles(soils, tmp_path/'t.csv', profile)
    for n,args in commands(f, tmp_path).items():
        code,out,err = mirzai(*args)
        if n=='evaluate': assert code==2 and 't.csv: the column profile has one value' in err and len(err.splitlines())==1 and not (tmp_path/'evaluate').exists()
        else: assert code==0 and 'the column profile groups nothing' in out+err, (n, code, err)

def test_a_third_in_profiles(mirzai, soils, tmp_path):
    f = with_profiles(soils, tmp_path/'t.csv', [f'p{i//4}' if i<20 else None for i in range(60)])
    for n in ('run', 'train'):
        code,out,_ = mirzai(*commands(f, tmp_path)[n]); assert code==0 and '20 of 60 samples' in out, out
    p = pd.read_csv(tmp_path/'run'/'predictions.csv').set_index('id').split; assert all(p[soils.ids[4*k:4*k+4]].nunique()==1 for k in range(5)) and '20 of 60' in how(tmp_path/'run'/'models'/'plsr') and '20 of 60' in how(tmp_path/'train')

def test_run_prints_no_warning_of_a_library(tmp_path):
    "In a process of its own, with its workers: standard error holds progress and nothing else"
    env = {k: v for k,v in os.environ.items() if k not in ('PYTHONWARNINGS', 'OMP_NUM_THREADS', 'MPLBACKEND')}
    r = subprocess.run([sys.executable, '-c', 'import sys; from mirzai.cli import main; sys.exit(main(sys.argv[1:]))', 'run', '--models', 'plsr,gpr', '--seeds', '2', '--jobs', '2', '--out', 'out'], cwd=tmp_path, env=env, capture_output=True, text=True)
    said = [l for l in r.stderr.splitlines() if l.strip() and not any(l.startswith(p) for p in ('reading sample', 'explaining and saving: ', 'training')) and ': ' in l]
    odd = [l for l in r.stderr.splitlines() if any(w in l for w in ('Warning', 'warn', '.py:', 'Traceback'))]
    assert r.returncode==0 and not odd, (odd, said[:5]); assert 'Warning' not in r.stdout
