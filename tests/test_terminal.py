"What the command says: examples that work, the word that was meant, JSON for programs, time left, and nothing behind after Ctrl-C"
import io, json, os, shlex, signal, subprocess, sys, time
import numpy as np, pandas as pd, pytest
from mirzai.cli import parser
from mirzai.core import Progress, did_you_mean, duration
from mirzai.instruments import opus_bytes
from mirzai.loading import write_library
from mirzai.terminal import EXAMPLES, plain

COMMANDS = list(parser()._subparsers._group_actions[0].choices)

@pytest.mark.parametrize('command', COMMANDS)
def test_each_help_ends_with_examples_that_the_parser_takes(command, capsys):
    with pytest.raises(SystemExit): parser().parse_args([command, '--help'])
    assert EXAMPLES[command][0] in capsys.readouterr().out
    for line in EXAMPLES[command]:
        words = shlex.split(line)
        assert words[:2]==['mirzai', command] and parser().parse_args(words[1:]).func.__name__==f'{command}_command'

@pytest.mark.parametrize('line,word', [
    ('pedict m f', 'predict'), ('predict m f --treshold rice', '--threshold'), ('train sample --model plrs --out m', 'plsr'),
    ('predict m f --unit reflectence', 'reflectance'), ('data sampel', 'sample'), ('run --models gpr,plrs', 'plsr')])
def test_did_you_mean(line, word, capsys):
    with pytest.raises(SystemExit) as e: parser().parse_args(line.split())
    err = capsys.readouterr().err
    assert e.value.code==2 and f'did you mean {word}?' in err and err.count('\n')==1 and err.startswith('mirzai: ')

def test_no_guess_where_nothing_is_near(capsys):
    with pytest.raises(SystemExit): parser().parse_args(['train', 'sample', '--model', 'svm', '--out', 'm'])
    assert 'did you mean' not in capsys.readouterr().err and did_you_mean('xyz', COMMANDS)==''

@pytest.fixture(scope='module')
def place(sample, tmp_path_factory):
    "Tables and instrument files of the sample, and what each command answered in JSON"
    from mirzai.cli import main
    d = tmp_path_factory.mktemp('terminal')
    write_library(sample[:200], d/'known.csv')
    write_library(sample[200:330], d/'local.csv')
    w = sample.wavenumbers[::-1]
    for i in range(400, 406): (d/f'S{i}.0').write_bytes(opus_bytes(w, ab=sample.spectra[i][::-1]))
    (d/'S500.0').write_bytes(b'no OPUS file')
    def answer(*args):
        out = io.StringIO()
        from contextlib import redirect_stdout
        with redirect_stdout(out): code = main([*map(str, args), '--json'])
        return code, json.loads(out.getvalue())
    files = sorted(d.glob('*.0'))
    answers = dict(train=answer('train', d/'known.csv', '--model', 'plsr', '--folds', 5, '--jobs', 1, '--out', d/'m'),
        validate=answer('validate', d/'m', d/'local.csv'), card=answer('card', d/'m', '--out', d/'c.html'),
        predict=answer('predict', d/'m', *files, '--threshold', 'rice', '--out', d/'p.csv'),
        evaluate=answer('evaluate', d/'known.csv', '--models', 'plsr', '--splits', 2, '--jobs', 1, '--out', d/'e'),
        run=answer('run', '--library', d/'known.csv', '--models', 'plsr', '--seeds', 1, '--jobs', 1, '--out', d/'r'),
        explain=answer('explain', d/'m', d/'local.csv', '--most', 8, '--out', d/'x'), data=answer('data', 'sample', '--out', d/'s.csv'),
        failed=answer('train', d/'nowhere.csv', '--out', d/'n'))
    return d, answers

def test_json_is_one_object_with_what_is_in_the_files(place):
    d,answers = place
    for command,(code,a) in answers.items():
        assert code==(2 if command=='failed' else 0), a
        assert a['command']==('train' if command=='failed' else command) and 'warnings' in a
    assert 'no such file' in answers['failed'][1]['error'] and 'error' not in answers['train'][1]
    p,t = answers['predict'][1], pd.read_csv(d/'p.csv')
    assert p['soils']==(t.scans>0).sum()==6 and p['not_read']==['S500'] and p['threshold']['cmol_kg']==pytest.approx(.531, abs=.001)
    assert p['decisions']==t[t.scans>0].decision.value_counts().to_dict()
    v = answers['validate'][1]
    assert v['n']==len(v['soils']) and v['grade'] in ('held', 'weak', 'failed') or v['grade']
    assert answers['train'][1]['held_out']['n']==answers['train'][1]['samples']
    assert len(answers['explain'][1]['bands'])==len(pd.read_csv(d/'x'/'bands.csv'))
    e = pd.DataFrame(answers['evaluate'][1]['test'])
    s = pd.read_csv(d/'e'/'summary.csv').query('split=="test"')
    assert len(e)==len(s) and e['mean'].to_numpy()==pytest.approx(s['mean'].to_numpy(), nan_ok=True)

def test_words_end_with_what_to_do_next(place, mirzai, tmp_path):
    d,_ = place
    for args in (['predict', d/'m', *sorted(d.glob('*.0')), '--out', tmp_path/'p.csv'], ['card', d/'m', '--out', tmp_path/'c.html'],
                 ['data', 'sample', '--out', tmp_path/'s.csv'], ['validate', d/'m', d/'local.csv', '--force']):
        code,out,err = mirzai(*args)
        assert code==0 and out.splitlines()[-1].startswith(('next: ', 'open ')), out

def test_plain_knows_every_kind_of_missing():
    assert plain(dict(a=[np.nan, pd.NA, pd.NaT, np.float32(2), np.inf])) == dict(a=[None, None, None, 2., None])

@pytest.mark.parametrize('seconds', [[1]*20, [3]*5+[1]*30, [1]*5+[4]*15, [.1]*5+[30]*3+[1]*12])
def test_time_left_never_counts_up(seconds):
    now = 0.
    p = Progress('work', len(seconds), quiet=True, clock=lambda: now)
    ends,left = np.cumsum(seconds),[]
    for now in np.arange(0, ends[-1]+1, .5):
        while p.done<(ends<=now).sum(): p.step()
        left.append(p.end-now if p.end is not None and p.left() not in ('', 'longer than expected') else np.nan)
    shown = np.array(left)[~np.isnan(left)]
    assert len(shown) and (np.diff(shown)<=0).all()

def test_durations():
    assert [duration(s) for s in (0, 9.4, 61, 599, 3*3600+20*60)]==['1 s', '9 s', '60 s', '10 min', '3 h 20 min']

class Screen(io.StringIO):
    def isatty(self): return True

def test_a_bar_in_a_terminal_and_nothing_left_of_it(monkeypatch):
    monkeypatch.setattr(sys, 'stderr', screen := Screen())
    with pytest.raises(KeyboardInterrupt), Progress('work', 4) as p:
        p.step()
        time.sleep(3.3)
        raise KeyboardInterrupt
    shown = screen.getvalue()
    assert '1 of 4' in shown and shown.rstrip('\r').split('\r')[-1].strip()=='' and '\n' not in shown

@pytest.mark.parametrize('args', [['train', 'sample', '--model', 'gpr', '--folds', '200', '--out', 'm'],
                                  ['run', '--models', 'gpr', '--seeds', '60', '--out', 'r']])
def test_control_c_leaves_nothing_behind(tmp_path, args):
    code = 'import sys; from mirzai.cli import main; sys.exit(main(sys.argv[1:]))'
    hears = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)      # a shell's background jobs, these tests among them, do not
    p = subprocess.Popen([sys.executable, '-c', code, *args], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
                         preexec_fn=hears)
    for line in p.stderr:
        if ': ' in line and ('of ' in line or 'training' in line): break # it is at work
    os.killpg(p.pid, signal.SIGINT)
    rest = p.communicate(timeout=60)[1]
    assert p.returncode==130 and 'mirzai: stopped: nothing was replaced' in rest and 'Traceback' not in rest, rest
    assert list(tmp_path.iterdir())==[]
    for _ in range(200):
        try: os.killpg(p.pid, 0)
        except ProcessLookupError: return
        time.sleep(.1)
    pytest.fail('processes are left')

def test_workers_repeat_no_warnings_of_libraries():
    from mirzai.core import deaf_workers
    code = 'import warnings; warnings.warn("of a library", FutureWarning)'
    said = lambda: subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stderr
    before = os.environ.get('PYTHONWARNINGS')
    with deaf_workers(): assert said()==''
    assert os.environ.get('PYTHONWARNINGS')==before and 'of a library' in said()
