"Every mistake is one line that names it and the remedy, exit code 2, and nothing is written"
import os
import numpy as np, pandas as pd, pytest
from pathlib import Path

@pytest.fixture
def table(sample):
    "Sixty samples as a DataFrame"
    lib = sample.select('kex')[:60]
    return pd.concat([lib.properties, pd.DataFrame(lib.spectra, index=lib.ids, columns=[f'{w:g}' for w in lib.wavenumbers])], axis=1).rename_axis('id')

@pytest.fixture(scope='module')
def model(sample, tmp_path_factory):
    from mirzai.plsr import PLSR
    from mirzai.predictor import save_model
    lib = sample[:100].select('kex')
    return save_model(PLSR(3).fit(lib), tmp_path_factory.mktemp('m')/'plsr', lib)

def refuses(mirzai, args, *words, out=None):
    code,_,err = mirzai(*args)
    lines = [l for l in err.splitlines() if not l.startswith('mirzai: warning')]
    assert code==2, (code, err)
    assert len(lines)==1 and lines[0].startswith('mirzai: '), err
    for w in words: assert str(w) in lines[0], (w, lines[0])
    if out is not None: assert not Path(out).exists()

def train(f, tmp_path, *more): return ('train', f, '--model', 'plsr', '--out', tmp_path/'model', *more)

def test_missing_file(mirzai, tmp_path): refuses(mirzai, train(tmp_path/'no.csv', tmp_path), 'no.csv', 'no such file', out=tmp_path/'model')

def test_empty_table(mirzai, table, tmp_path):
    f = tmp_path/'empty.csv'; table[:0].to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'empty', out=tmp_path/'model')
    f.write_text('')
    refuses(mirzai, train(f, tmp_path), f, 'empty')
    table[:0].reset_index().to_parquet(tmp_path/'empty.parquet')
    refuses(mirzai, train(tmp_path/'empty.parquet', tmp_path), 'empty.parquet', 'empty')

def test_no_spectral_columns(mirzai, table, tmp_path):
    f = tmp_path/'chem.csv'; table[['kex', 'cec']].to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, '0 spectral columns', 'X600', out=tmp_path/'model')

@pytest.mark.parametrize('twin', ['600', 'X600', '600.0'])
def test_two_columns_for_one_wavenumber(mirzai, table, tmp_path, twin):
    f = tmp_path/'twice.csv'
    pd.concat([table, table[['600']].rename(columns={'600': twin})], axis=1).to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'two columns for wavenumber 600', out=tmp_path/'model')

@pytest.mark.parametrize('value', ['n.d.', np.nan, np.inf])
def test_bad_absorbance_in_training(mirzai, table, tmp_path, value):
    f = tmp_path/'holes.csv'; t = table.astype(object); t.iloc[3, 50] = value; t.to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, table.index[3], '1 row', out=tmp_path/'model')
    refuses(mirzai, ('run', '--library', f, '--out', tmp_path/'out'), f, table.index[3], out=tmp_path/'out')

def test_too_few_labelled_samples(mirzai, table, tmp_path):
    f = tmp_path/'few.csv'; t = table.copy(); t.loc[t.index[29:], 'kex'] = np.nan; t.to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, '29 usable', 'at least 30', out=tmp_path/'model')

def test_constant_target(mirzai, table, tmp_path):
    f = tmp_path/'same.csv'; table.assign(kex=.5).to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'kex is 0.5 in all', out=tmp_path/'model')

def test_unknown_property(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.to_csv(f)
    refuses(mirzai, train(f, tmp_path, '--property', 'potassium'), f, 'potassium', 'kex, cec, oc, clay', out=tmp_path/'model')

def test_text_in_property(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; t = table.astype({'kex': object})
    for text,words in (('stone', 'not a number'), ('n.d.', 'kex_limit'), ('1.2.3', 'not a number')):
        t.iloc[4, 0] = text; t.to_csv(f)
        refuses(mirzai, train(f, tmp_path), f, 'kex', table.index[4], words, out=tmp_path/'model')

def test_text_that_says_a_limit(mirzai, table, tmp_path):
    "<0.1 is a value below 0.1; n.d. one below the limit that an option names"
    f = tmp_path/'t.csv'; t = table.astype({'kex': object}); t.iloc[4, 0] = '<0.1'; t.iloc[5, 0] = 'n.d.'; t.to_csv(f)
    code,out,err = mirzai(*train(f, tmp_path, '--folds', 3, '--kex-limit', .08))
    assert code==0 and '2 below the detection limit' in out, (out, err)

def test_repeated_ids(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; pd.concat([table, table[:2]]).to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, table.index[0], 'several rows', out=tmp_path/'model')

def test_percent_as_absorbance(mirzai, table, tmp_path, model):
    f = tmp_path/'pc.csv'; w = table.columns[4:]; table[w] = 100*10**-table[w]; table.to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'cannot be absorbance', 'percent', out=tmp_path/'model')
    refuses(mirzai, ('predict', model, f, '--out', tmp_path/'p.csv'), f, 'cannot be absorbance', out=tmp_path/'p.csv')

def test_reflectance_is_warned_about_and_flagged(mirzai, table, tmp_path, model):
    f = tmp_path/'r.csv'; w = table.columns[4:]; table[w] = 10**-table[w]; table.to_csv(f)
    code,out,err = mirzai('predict', model, f, '--out', tmp_path/'p.csv')
    assert code==0 and 'check the unit' in err and ', 60 flagged' in out

def test_range_not_covered(mirzai, table, tmp_path, model):
    f = tmp_path/'short.csv'; table.drop(columns=[c for c in table.columns[4:] if float(c)<650]).to_csv(f)
    refuses(mirzai, ('predict', model, f, '--out', tmp_path/'p.csv'), f, '600 to 650', out=tmp_path/'p.csv')

@pytest.mark.parametrize('content', [b'\x89PNG\r\n\x1a\n\0\0\0\0', b'PAR1 but not parquet', b'\x1f\x8b broken gzip', b'%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n'])
def test_other_kind_of_file(mirzai, tmp_path, content):
    f = tmp_path/'thing.csv'; f.write_bytes(content)
    refuses(mirzai, train(f, tmp_path), f, out=tmp_path/'model')

def test_ragged_table(mirzai, tmp_path):
    f = tmp_path/'ragged.csv'; f.write_text('id,600,602\na,1,2\nb,1,2,3,4,5\n')
    refuses(mirzai, train(f, tmp_path), f, out=tmp_path/'model')

def test_folder_instead_of_table(mirzai, tmp_path): refuses(mirzai, train(tmp_path, tmp_path), tmp_path, 'is a folder')

def test_output_holds_something_else(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.to_csv(f)
    mine = tmp_path/'thesis'; mine.mkdir(); (mine/'chapter.txt').write_text('three years')
    for args in (('train', f, '--out', mine), ('run', '--library', f, '--out', mine), ('evaluate', f, '--out', mine)):
        refuses(mirzai, args, mine, 'did not write')
    assert [p.name for p in mine.iterdir()]==['chapter.txt']

def test_output_is_a_file_or_unwritable(mirzai, table, tmp_path, model):
    f = tmp_path/'t.csv'; table.to_csv(f)
    refuses(mirzai, ('train', f, '--out', f), f, 'is a file')
    refuses(mirzai, ('train', f, '--model', 'plsr', '--out', f/'below'), 'below', 'cannot be written')
    refuses(mirzai, ('predict', model, f, '--out', f/'below.csv'), 'below.csv', 'cannot be written')
    assert len(pd.read_csv(f))==60

@pytest.mark.skipif(os.name=='nt' or os.geteuid()==0, reason='permissions do not bind here (root, or Windows)')
def test_output_without_permission(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.to_csv(f); closed = tmp_path/'closed'; closed.mkdir(mode=0o500)
    refuses(mirzai, ('train', f, '--model', 'plsr', '--out', closed/'m'), closed, 'cannot be written')

def test_predictions_never_replace_an_input(mirzai, table, tmp_path, model):
    f = tmp_path/'t.csv'; table.to_csv(f); before = f.read_bytes()
    refuses(mirzai, ('predict', model, f, '--out', f), f, 'one of the inputs')
    assert f.read_bytes()==before

def test_not_a_model(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.to_csv(f)
    refuses(mirzai, ('predict', tmp_path, f), tmp_path, 'not a model folder')

def test_marker_names_give_no_licence_to_delete(mirzai, table, tmp_path):
    "A folder of the user's that happens to hold a metrics.csv or a model.json is still the user's"
    f = tmp_path/'t.csv'; table.to_csv(f); mine = tmp_path/'project'; mine.mkdir()
    for n in ('metrics.csv', 'model.json', 'report.html', 'thesis.docx'): (mine/n).write_text('mine')
    for args in (('train', f, '--out', mine), ('run', '--library', f, '--out', mine), ('evaluate', f, '--out', mine)):
        refuses(mirzai, args, mine, 'did not write')
    assert len(list(mine.iterdir()))==4

def test_failure_leaves_no_new_folders(mirzai, tmp_path):
    refuses(mirzai, ('run', '--library', tmp_path/'no.csv', '--out', tmp_path/'new'/'sub'), 'no such file')
    assert list(tmp_path.iterdir())==[]

def test_place_where_one_stands(mirzai, table, tmp_path, monkeypatch):
    f = tmp_path/'t.csv'; table.to_csv(f); (tmp_path/'empty').mkdir(); monkeypatch.chdir(tmp_path/'empty')
    refuses(mirzai, ('train', f, '--model', 'plsr', '--out', '.'), 'the folder you are in')

def test_two_columns_for_one_property(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.assign(**{'k.ext_usda.a725_cmolc.kg': 2*table.kex}).to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'two columns for property kex', out=tmp_path/'model')

def test_repeated_names_are_no_row_numbers(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.reset_index(drop=True).assign(Name='A').to_csv(f, index=False)
    refuses(mirzai, train(f, tmp_path), f, 'several rows', out=tmp_path/'model')

def test_infinite_target(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; t = table.copy(); t.iloc[2, 0] = np.inf; t.to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'infinite', table.index[2], out=tmp_path/'model')

def test_constant_after_selection(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; t = table.copy(); t['kex'] = [.05]*10+[.5]*50; t.to_csv(f)
    refuses(mirzai, train(f, tmp_path), f, 'nothing to learn', out=tmp_path/'model')

def test_property_in_another_case(mirzai, table, tmp_path):
    f = tmp_path/'t.csv'; table.rename(columns={'kex': 'Kex'}).to_csv(f)
    refuses(mirzai, train(f, tmp_path, '--property', 'Kex'), 'Kex', 'kex', out=tmp_path/'model')

def test_damaged_gzip(mirzai, table, tmp_path):
    import gzip
    f = tmp_path/'t.csv.gz'; raw = bytearray(gzip.compress(table.to_csv().encode())); raw[len(raw)//2] ^= 255; f.write_bytes(raw)
    refuses(mirzai, train(f, tmp_path), f, out=tmp_path/'model')

@pytest.mark.parametrize('more', [('--folds', 1), ('--folds', 5000), ('--folds', 3, '--sizes', '20'), ('--sizes', '2')])
def test_impossible_evaluations(mirzai, table, tmp_path, more):
    f = tmp_path/'t.csv'; table.to_csv(f)
    refuses(mirzai, ('evaluate', f, '--models', 'plsr', '--jobs', 1, '--out', tmp_path/'e', *more), '--', out=tmp_path/'e')

def test_the_unforeseen_is_one_line_too(mirzai, table, tmp_path, monkeypatch):
    def broken(*a, **k): raise ZeroDivisionError('what nobody\nthought of')
    monkeypatch.setattr('mirzai.training.make_model', broken)
    f = tmp_path/'t.csv'; table.to_csv(f)
    refuses(mirzai, train(f, tmp_path), 'ZeroDivisionError', out=tmp_path/'model')

def test_planted_pickle_is_not_run(mirzai, table, tmp_path, model):
    import pickle, shutil
    class Bomb:
        def __reduce__(self): return os.mkdir, (str(tmp_path/'exploded'),)
    f = tmp_path/'t.csv'; table.to_csv(f); bad = tmp_path/'bad'; shutil.copytree(model, bad)
    (bad/'weights.safetensors').write_bytes(pickle.dumps(Bomb()))
    refuses(mirzai, ('predict', bad, f, '--out', tmp_path/'p.csv'), 'weights.safetensors', 'fingerprint', out=tmp_path/'p.csv')
    assert not (tmp_path/'exploded').exists()

@pytest.mark.parametrize('args', [('run', '--seeds', '0'), ('run', '--models', 'plsr,forest'), ('evaluate', '--sizes', '10,x'), ('train',), ('fly',), ('data', 'moon'), ('run', '--seeds', '١'), ('train', 'sample', '--out', 'x', '--seed', '-1')])
def test_wrong_words(mirzai, args): refuses(mirzai, args)
