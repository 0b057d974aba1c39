"From predictions to decisions: units, the rule, the local check, field tables, spreadsheets, the page"
import gzip, re, subprocess, sys, warnings
import numpy as np, pandas as pd, pytest
from mirzai import field, page
from mirzai.field import (DECISIONS, MG_K, MG_K2O, by_field, decide, expected_costs, join_fields,
                          local_score, mg_k, mg_k2o, read_fields, threshold, write_table)
from mirzai.field_page import doubtful, field_report
from mirzai.library import MirzaiError

def soils(n=60, seed=0, error=.12, wrong=1.):
    "Predictions whose intervals are right, unless `wrong`"
    rng = np.random.default_rng(seed)
    o = 10**rng.normal(-.3, .35, n)
    p,w = o*10**rng.normal(0, error, n)*wrong, 10**(1.645*error)
    return pd.DataFrame(dict(id=[f'{i:03d}' for i in range(n)], observed=o, predicted=p, lower=p/w, upper=p*w, flag='',
                             p_below=np.clip(rng.random(n), .01, .99)))

def one_line(f, *args, **kw):
    with pytest.raises(MirzaiError) as e: f(*args, **kw)
    assert '\n' not in str(e.value) and len(str(e.value))<400 and ':' in str(e.value)
    return str(e.value)

def test_units():
    assert mg_k(1.)==pytest.approx(390.98, abs=.01) and mg_k2o(1.)==pytest.approx(47.098, abs=.001)
    assert np.allclose(mg_k([0, 2]), [0, 2*MG_K]) and isinstance(mg_k2o(pd.Series([1.])), pd.Series)

@pytest.mark.parametrize('text,kex', [('rice', 25/MG_K2O), ('SOYBEAN', 50/MG_K2O), ('plateau', 1), ('0.53', .53), (.53, .53), ('.5', .5), ('5e-1', .5),
                                      ('25 mgK2O/100g', 25/MG_K2O), ('25 mg K₂O/100 g', 25/MG_K2O), ('200 mgK/kg', 200/MG_K), ('1 cmol(+)/kg', 1)])
def test_threshold(text, kex):
    value,words = threshold(text)
    assert type(value) is float and value==pytest.approx(kex) and 'cmol(+)/kg' in words

@pytest.mark.parametrize('text', ['', 'wheat', 'nan', 'inf', '-inf', '0', '-1', '50.1', '1e999', '0,53', '1,000', '25 mg', '20000 mgK/kg', '0.5.3', '=1', None, '²', 'x'*5000])
def test_thresholds_refused(text): one_line(threshold, text)

@pytest.mark.parametrize('miss,analysis', [(5, .2), (1, .2), (5, 2), (.2, .1), (5, 0)])
def test_decisions_cost_least(miss, analysis):
    p = np.linspace(0, 1, 301)
    c = expected_costs(p, miss, analysis)
    d = decide(p, ['']*len(p), True, miss, analysis)
    assert np.allclose(c[np.arange(len(p)), [DECISIONS.index(x) for x in d.decision]], c.min(1))
    assert ((d.decision=='wet laboratory')==(c[:, 0]<=c[:, 1:].min(1)+1e-9)).all()
    assert not ((d.reason=='likely below')&(p<.5)).any() and not ((d.reason=='likely above')&(p>=.5)).any()

def test_no_ground_no_decision():
    flag = ['', 'noise', None, np.nan]
    d = decide([np.nan, .99, .99, .001], flag, True)
    assert list(d.decision)==['wet laboratory']*2+['fertilise', 'leave'] and list(d.reason[:2])==['no probability', 'noise']
    d = decide([.99, .99], ['', 'noise'], False)
    assert list(d.decision)==['wet laboratory']*2 and list(d.reason)==['no local validation', 'noise']
    assert list(decide(pd.Series([.9], index=[7]), [''], True).index)==[7]
    assert not len(decide([], [], True))

@pytest.mark.parametrize('kw', [dict(miss=0), dict(miss=-1), dict(miss=np.nan), dict(miss=np.inf), dict(analysis=-.1), dict(analysis=np.nan)])
def test_bad_costs(kw): one_line(decide, [.5], [''], True, **kw)

def test_bad_probabilities():
    for p in ([1.1], [-.1], [.1, .2]): one_line(decide, p, [''], True)

@pytest.mark.parametrize('sep,mark', [(',', '.'), (';', ','), ('\t', ','), ('|', '.'), (' ', ',')])
@pytest.mark.parametrize('code', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_field_tables(tmp_path, sep, mark, code):
    rows = [['id', 'Field', 'AREA_ha'], ['001', '07', '1.5'], ['2', 'Süd', '0.25'], ['3', 'Süd', '0.25']]
    (tmp_path/'f.csv').write_text('\r\n'.join(sep.join(c.replace('.', mark) for c in r) for r in rows)+'\r\n', encoding=code)
    t = join_fields(soils(3).assign(id=['001', '2', '3']), tmp_path/'f.csv')
    assert list(t.field)==['07', 'Süd', 'Süd'] and list(t.area_ha)==[1.5, .25, .25] and list(t)[:3]==['id', 'field', 'area_ha']

def test_field_table_latin1(tmp_path):
    (tmp_path/'f.csv').write_bytes('id;field\n1;Süd\n'.encode('latin-1'))
    with pytest.warns(UserWarning, match='Latin-1'): assert read_fields(tmp_path/'f.csv').field[0]=='Süd'

def test_field_table_excel(tmp_path):
    import openpyxl
    b = openpyxl.Workbook()
    for r in (['id', 'field', 'area_ha'], ['001', '=1+1', 1.5], [2, 'B', 2]): b.active.append(r)
    b.save(tmp_path/'f.xlsx')
    t = read_fields(tmp_path/'f.xlsx')
    assert list(t.id)==['001', '2'] and list(t.area_ha)==[1.5, 2] and t.field[0]=='' # a formula never computed here has no value

@pytest.mark.parametrize('raw', [b'', b'id,field\n', b'id,field\n1,A,1,5\n', b'name,place\n1,A\n', b'id,field\n1,A\n1,B\n', b'id,field\n,A\n', b'id,field,field\n1,A,A\n',
                                 b'\x00\x01\x02', b'PK\x03\x04 damaged', b'id,field,area_ha\n001,A,"1,250"\n', b'id,field,area_ha\n001,A,-1\n', b'id,field,flag\n001,A,x\n',
                                 b'id,field\nnobody,A\n', b'id,field,area_ha\n001,A,1\n002,A,2\n', b'\xff\xfe\x00', b'id,field\n"1'+b'x'*200000+b'",A\n'])
@pytest.mark.parametrize('name', ['f.csv', 'f.xlsx'])
def test_field_tables_refused(tmp_path, raw, name):
    (tmp_path/name).write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        assert str(tmp_path/name) in one_line(join_fields, soils(), tmp_path/name)

def test_field_table_missing(tmp_path): one_line(read_fields, tmp_path/'none.csv'); one_line(read_fields, tmp_path)

def test_join_is_said_once():
    t = soils(4)
    f = pd.DataFrame(dict(id=['000', '001', '9', '8'], field=['A', 'A', 'B', 'B']))
    with pytest.warns(UserWarning) as w: j = join_fields(t, f)
    assert len(w)==1 and all(s in str(w[0].message) for s in ('2 sample(s) without a field (002, 003)', '2 listed without a prediction', '1 field(s) without a sample (B)'))
    assert list(j.field)==['A', 'A', '', ''] and j.drop(columns='field').equals(t)
    with pytest.warns(UserWarning): j = join_fields(t.set_index(t.index[::-1]), f.head(2).assign(id=['000', '003']))
    assert list(j.field)==['A', '', '', 'A']

def test_by_field():
    t = soils(7).assign(field=list('AABBCC')+[''], flag=['', '', '', 'noise', '', '', ''], p_below=[.9, .95, .9, .9, .01, .9, .5])
    t = pd.concat([t, decide(t.p_below, t.flag, True)], axis=1)
    f = by_field(t).set_index('field')
    assert list(f.decision)==['fertilise', 'wet laboratory', 'wet laboratory'] and list(f.reason)==['likely below']+['its samples disagree']*2
    assert list(f.n)==[2]*3 and list(f.flagged)==[0, 1, 0] and f['median']['B']==t.predicted[2]
    assert 'decision' not in by_field(t.drop(columns=['decision', 'reason']))
    one_line(by_field, soils())

NASTY = ['=1+1', '+cmd|x', '-2+3', '@SUM(A1)', '\t=1', '\r=1', ' =1+1', '＝1', '-5', '+1.5', '1e-3', '001', 'a;b', 'a"b', 'a,b\nc', '日本', "'quoted", '']

@pytest.mark.parametrize('decimal', ['.', ','])
@pytest.mark.parametrize('end', ['.csv', '.csv.gz'])
def test_nothing_runs_in_a_spreadsheet(tmp_path, decimal, end):
    t = soils(len(NASTY)).assign(id=NASTY)
    with pytest.warns(UserWarning) as w: write_table(t.rename(columns=dict(flag='=flag')), tmp_path/f't{end}', decimal)
    assert len(w)==1 and '9 cell(s)' in str(w[0].message)
    back = pd.read_csv(tmp_path/f't{end}', sep=';' if decimal==',' else ',', dtype=str, keep_default_na=False, encoding='utf-8-sig')
    assert list(back.id)==["'"+v.replace('\r', ' ') if i<8 else v.replace('\n', ' ') for i,v in enumerate(NASTY)] and "'=flag" in back
    numbers = back.predicted.str.replace(',', '.').astype(float)
    assert np.allclose(numbers, t.predicted, rtol=1e-8) and list(back)[list(back).index('predicted')+1]=='reported'

def test_excel_holds_no_formula(tmp_path):
    import openpyxl
    t = soils(len(NASTY)).assign(id=NASTY)
    t.loc[0, 'upper'] = np.inf; t.loc[1, 'lower'] = np.nan
    write_table(t.assign(odd='bell\a'), tmp_path/'t.xlsx')
    rows = list(openpyxl.load_workbook(tmp_path/'t.xlsx').active)
    assert not any(c.data_type=='f' for r in rows for c in r)
    assert [r[0].value for r in rows[1:5]]==NASTY[:4] and np.isclose(rows[1][2].value, t.predicted[0]) and rows[1][5].value=='inf'
    assert rows[2][4].value is None and rows[0][3].value=='reported'

def test_tables_are_written_whole_or_not(tmp_path, monkeypatch):
    write_table(soils(), tmp_path/'a.csv.gz'); first = (tmp_path/'a.csv.gz').read_bytes()
    write_table(soils(), tmp_path/'a.csv.gz')
    assert (tmp_path/'a.csv.gz').read_bytes()==first and gzip.decompress(first)[:2]==b'id'
    monkeypatch.setattr(field, 'harmless', lambda *_: 1/0)
    with pytest.raises(ZeroDivisionError): write_table(soils(), tmp_path/'a.csv')
    assert [f.name for f in tmp_path.iterdir()]==['a.csv.gz']
    for name in ('a.ods', 'a'): one_line(write_table, soils(), tmp_path/name)
    one_line(write_table, soils(), tmp_path/'a.csv', ';')
    monkeypatch.undo()
    write_table(soils(), tmp_path/'c.csv', target='clay')
    assert 'reported' not in pd.read_csv(tmp_path/'c.csv')

def test_without_openpyxl(tmp_path, monkeypatch):
    monkeypatch.setattr(field, 'find_spec', lambda _: None)
    assert 'mirzai[excel]' in one_line(write_table, soils(), tmp_path/'t.xlsx') and not list(tmp_path.iterdir())

CARD = dict(kind='plsr', target='kex', training=dict(library='<b>L</b>', n=9, minimum=.1, median=.4, maximum=5., countries=['United States']), validation=None)

def report(t, validated=True, **kw):
    t = pd.concat([t, decide(t.p_below, t.flag, validated)], axis=1)
    v = local_score(soils(40)) | dict(name='here', date='2025-03-01')
    return field_report(t, CARD | dict(validation=v if validated else None), threshold=threshold('rice'), **kw)

def test_report():
    t = soils(30).assign(observed=np.nan)
    t.loc[0, 'id'] = '"><script>alert(1)</script>'; t.loc[1, ['predicted', 'lower', 'upper', 'p_below']] = np.nan; t.loc[1, 'flag'] = '<i>constant</i>'
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>002</text></svg>'
    html = report(t, figures={i: svg for i in t.id})
    assert '<script' not in html and '<i>' not in html and '<b>L' not in html and 'http' not in html.replace('http://www.w3.org', '')
    assert html.count('What moved this prediction')>5 and 'Checked on 40 local soils, here, 2025-03-01' in html
    assert html==report(t, figures={i: svg for i in t.id})
    html = report(t, False)
    assert 'No local validation' in html and 'mirzai validate MODEL LOCAL' in html and 'likely below' not in html and 'Nothing is decided' in html

@pytest.mark.parametrize('inside', [30, 43, 54])
def test_no_page_promises_what_it_counted_otherwise(inside):
    t = soils(54)
    local = local_score(t.assign(lower=t.observed*np.where(np.arange(54)<inside, .5, 1.1), upper=t.observed*2))
    html = field_report(pd.concat([t, decide(t.p_below, t.flag, False)], axis=1), CARD | dict(validation=local))
    assert f'{inside} of 54 measured values lay inside' in html and 'nine times in ten' not in html
    assert 'nine times in ten' in report(soils(5), False)

def test_old_names_stay():
    for name in ('LEAST_LOCAL', 'bias_factor', 'skill', 'local_score', 'more_needed', 'validation_text'): assert hasattr(field, name)
    assert field.field_report is field_report

def test_report_of_bare_predictions():
    t = soils(5)[['id', 'predicted']]
    assert 'No threshold was given' in field_report(t, {}) and 'countries not recorded' in field_report(t, {})
    assert field_report(soils(5).assign(predicted=np.nan, lower=np.nan, upper=np.nan, p_below=np.nan, flag='x'), {})

def test_report_of_many():
    html = report(soils(5000))
    assert len(html)<1e6 and 'The first 500 of 5000 samples' in html and html.count('<tr>')==501

def test_report_refuses_decisions_without_ground():
    t = soils(30)
    t = pd.concat([t, decide(t.p_below, t.flag, True)], axis=1)
    held = local_score(soils(40))
    grades = [dict(verdict=True), held | dict(grade='weak', verdict=True), held | dict(grade='failed')]
    for v in (None, *grades): one_line(field_report, t, CARD | dict(validation=v))
    assert field_report(t, CARD | dict(validation=held))
    one_line(field_report, soils(5), CARD | dict(target='clay'))

def test_the_dearest_doubts_first():
    d = doubtful(soils(50).assign(flag=['noise']+['']*49))
    assert d.text.iloc[0].startswith('Flagged: noise') and (expected_costs(d.p_below[1:])[:, 1:].min(1)[:-1]>=expected_costs(d.p_below[1:])[:, 1:].min(1)[1:]).all()

def test_style_survives_escaping(): assert not set('<>&')&set(page.STYLE)

def test_light():
    code = 'import sys, mirzai.field_page; assert not {"torch", "fastai", "openpyxl"}&set(sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode==0

@pytest.mark.parametrize('cells', ['<row r="2"><c r="A2"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>',
                                   ''.join(f'<row r="{i}"><c r="XFD{i}"><v>1</v></c></row>' for i in range(2, 400))], ids=['one far cell', 'wide rows'])
def test_a_workbook_of_a_kilobyte_does_not_take_the_memory(cells, tmp_path):
    "Its far cells stand for 17 thousand million, or for millions, of empty ones"
    import zipfile, openpyxl
    b = openpyxl.Workbook(); b.active.append(['id', 'field']); b.save(tmp_path/'plain.xlsx')
    with zipfile.ZipFile(tmp_path/'plain.xlsx') as z: parts = {n: z.read(n) for n in z.namelist()}
    text = parts['xl/worksheets/sheet1.xml'].decode()
    text = re.sub(r'<dimension ref="[^"]*"', '<dimension ref="A1:XFD1048576"', text)
    parts['xl/worksheets/sheet1.xml'] = text.replace('</sheetData>', cells+'</sheetData>').encode()
    with zipfile.ZipFile(tmp_path/'f.xlsx', 'w', zipfile.ZIP_DEFLATED) as z:
        for n,raw in parts.items(): z.writestr(n, raw)
    assert (tmp_path/'f.xlsx').stat().st_size<20_000
    ask = ('import sys\nfrom mirzai.field import read_fields\nfrom mirzai.library import MirzaiError\n'
           'try:\n import resource; resource.setrlimit(resource.RLIMIT_AS, (3<<30, 3<<30))\nexcept ImportError: pass\n'
           'try: read_fields(sys.argv[1])\nexcept MirzaiError as e: print(e)')
    p = subprocess.run([sys.executable, '-c', ask, str(tmp_path/'f.xlsx')], capture_output=True, text=True, timeout=300)
    assert p.returncode==0 and len(p.stdout.splitlines())==1 and 'f.xlsx: ' in p.stdout, p.stderr[-500:]
