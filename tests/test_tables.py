"Tables as laboratories send them: read, or refused by the name of what they look like; values that join them; ranges"
import warnings, zipfile
import numpy as np, pandas as pd, pytest
from hypothesis import given, strategies as st
openpyxl = pytest.importorskip('openpyxl')
import openpyxl.reader.excel, openpyxl.worksheet._reader, openpyxl.worksheet._read_only # noqa: F811
from mirzai.instruments import SpectraFiles, opus_bytes, read_instruments
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.loading import open_library, read_library, read_values, table_kind
from mirzai.tables import spectral_columns, workbook_table
from test_fuzz import MUTATIONS, attempt, fuzz, in_parts, little_memory, mutate, sound # noqa: F401  a fixture is used by its name

@pytest.fixture(scope='module')
def soils(sample): return SpectralLibrary(sample.spectra[20:26], sample.wavenumbers, pd.DataFrame(index=pd.Index([f'S{i}' for i in range(6)], name='id')))

@pytest.fixture(scope='module')
def table(soils): return pd.DataFrame(soils.spectra, columns=[f'{v:g}' for v in soils.wavenumbers], index=soils.ids).rename_axis('id').reset_index()

@pytest.fixture(scope='module')
def model(sample, tmp_path_factory):
    from mirzai.plsr import PLSR
    from mirzai.predictor import save_model
    lib = sample[:100].select('kex')
    return save_model(PLSR(3).fit(lib), tmp_path_factory.mktemp('m')/'plsr', lib)

def quietly(f, *args, **kw):
    "The result and what was warned about"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always'); out = f(*args, **kw)
    return out, [str(t.message) for t in told]

def refused(mirzai, *args):
    "The one line of a refusal"
    code,_,err = mirzai(*args)
    lines = [l for l in err.splitlines() if not l.startswith(('mirzai: warning', 'reading ', 'caution'))]
    assert code==2 and len(lines)==1 and lines[0].startswith('mirzai: ') and 'read_library' not in err, (code, err)
    return lines[0]

# --- what is read -------------------------------------------------------------------------------------------------

def renamed(t, how): return t.set_axis([c if c=='id' else how(c) for c in t], axis=1).to_csv(index=False)
def lines(t): return t.to_csv(index=False).splitlines()
def joined(l): return '\n'.join(l)+'\n'

STYLES = {
    'utf-16': lambda t: t.to_csv(index=False).encode('utf-16'), 'utf-16 without a mark': lambda t: t.to_csv(index=False).encode('utf-16-le'),
    'unicode text': lambda t: t.to_csv(index=False, sep='\t').encode('utf-16'), 'tabs': lambda t: t.to_csv(index=False, sep='\t'),
    'sep=,': lambda t: 'sep=,\n'+t.to_csv(index=False), 'sep=;': lambda t: 'sep=;\n'+t.to_csv(index=False, sep=';', decimal=','),
    'a title': lambda t: 'Spectra of May\n'+t.to_csv(index=False), 'titles': lambda t: 'Spectra, north;2024,,\n\n"Lab, north"\n'+t.to_csv(index=False),
    'empty columns at the end': lambda t: joined(l+',,,' for l in lines(t)), 'in the rows only': lambda t: joined([lines(t)[0], *(l+',,,' for l in lines(t)[1:])]),
    'in the header only': lambda t: joined([lines(t)[0]+',,,', *lines(t)[1:]]), 'an empty column in front': lambda t: joined(','+l for l in lines(t)),
    'empty rows at the end': lambda t: t.to_csv(index=False)+(','*(t.shape[1]-1)+'\n')*3, 'in between': lambda t: joined([*lines(t)[:3], ','*(t.shape[1]-1), '', *lines(t)[3:]]),
    'a line of units': lambda t: joined([lines(t)[0], ',cm-1'*(t.shape[1]-1), *lines(t)[1:]]), 'of absorbance': lambda t: joined([lines(t)[0], 'name'+',Abs.'*(t.shape[1]-1), *lines(t)[1:]]),
    '600 cm-1': lambda t: renamed(t, lambda c: f'{c} cm-1'), '600 [cm^-1]': lambda t: renamed(t, lambda c: f'{c} [cm^-1]'), 'X600.cm.1': lambda t: renamed(t, lambda c: f'X{c}.cm.1'),
    'spc.600': lambda t: renamed(t, lambda c: f'spc.{c}'), 'spc.X600': lambda t: renamed(t, lambda c: f'spc.X{c}'), 'A_600': lambda t: renamed(t, lambda c: f'A_{c}'),
    'on its side': lambda t: t.set_index('id').T.rename_axis('wavenumber').to_csv(), 'with decimal commas': lambda t: t.set_index('id').T.rename_axis('cm-1').to_csv(sep=';', decimal=','),
    'on its side, in tabs': lambda t: t.set_index('id').T.rename_axis('').to_csv(sep='\t').encode('utf-16')}

@pytest.mark.parametrize('style', STYLES)
def test_styles(soils, table, tmp_path, style):
    "Six soils, bit by bit, whoever wrote them down and whatever the file is called"
    text = STYLES[style](table); f = tmp_path/'t.txt'; f.write_bytes(text if isinstance(text, bytes) else text.encode())
    lib,told = quietly(read_library, f)
    assert np.allclose(lib.spectra, soils.spectra, atol=1e-6) and np.array_equal(lib.wavenumbers, soils.wavenumbers)
    assert list(lib.ids)==list(soils.ids) and not lib.properties.shape[1]
    assert any('run downwards' in t for t in told)==('side' in style or style=='with decimal commas') and len(told)<2
    assert table_kind(f)==('columns' if told else 'rows')

def book(rows, path):
    b = openpyxl.Workbook(); [b.active.append(r) for r in rows]; b.save(path)

def test_workbooks(soils, table, tmp_path):
    table.to_excel(tmp_path/'x.xlsx', index=False)
    rows = [['Spectra of May'], [], [None, 'id', *map(float, soils.wavenumbers), None, 'kex']]
    for i,x in zip(soils.ids, soils.spectra): rows += [[None, i, *map(float, x), None, .3], []]
    book(rows, tmp_path/'odd.xlsx')
    book([[None if v is None else str(v).replace('.', ',') if isinstance(v, float) else v for v in r] for r in rows], tmp_path/'text.xlsx')
    table.set_index('id').T.astype(float).rename_axis('wavenumber').to_excel(tmp_path/'side.xlsx')
    for name in ('x', 'odd', 'text', 'side'):
        lib,_ = quietly(read_library, tmp_path/f'{name}.xlsx')
        assert np.allclose(lib.spectra, soils.spectra, atol=1e-6) and list(lib.ids)==list(soils.ids), name
        assert list(lib.properties)==(['kex'] if name in ('odd', 'text') else [])
    assert (read_library(tmp_path/'text.xlsx').y()==.3).all()

@pytest.mark.parametrize('name,sep', [('a.dpt', ','), ('a.csv', ','), ('a.txt', '\t'), ('a.dat', '  '), ('a.xy', ';')])
def test_one_spectrum_in_two_columns(soils, tmp_path, mirzai, model, name, sep):
    "It has the file's name, in a folder as alone, with a header or without; scans of one soil are put together as asked"
    w,y = soils.wavenumbers[::-1], soils.spectra[0, ::-1]
    def write(f, header, y):
        text = joined([header]*bool(header)+[f'{a:.2f}{sep}{b:.6f}' for a,b in zip(w, y)])
        (tmp_path/f).write_text(text.replace('.', ',') if sep==';' else text)
    for f,header in ((name, ''), ('head'+name, f'cm-1{sep}Absorbance')):
        write(f, header, y); lib = read_library(tmp_path/f)
        assert np.allclose(lib.spectra, soils.spectra[:1], atol=1e-6) and list(lib.ids)==[f.partition('.')[0]]
    got = read_instruments(tmp_path); assert list(got.ids)==['a', 'heada'] and set(got.properties.instrument)=={'two columns'}
    code,out,_ = mirzai('predict', model, tmp_path/name, '--out', tmp_path/'p.csv'); assert code==0 and '1 soils' in out
    if sep.strip(): write('percent'+name, f'cm-1{sep}Transmittance [%]', 100*10**-y); assert np.allclose(read_instruments(tmp_path/('percent'+name)).spectra, soils.spectra[:1], atol=1e-4)

def test_scans_in_two_columns(soils, tmp_path):
    for k in (1, 2): (tmp_path/f'B_rep{k}.dpt').write_text(joined(f'{v:g},{k*y:.6f}' for v,y in zip(soils.wavenumbers, soils.spectra[0])))
    lib = read_instruments(tmp_path, replicates=r'_rep\d'); assert list(lib.ids)==['B'] and np.allclose(lib.spectra, 1.5*soils.spectra[:1], atol=1e-4)

def test_folder_with_tables_of_all_kinds(soils, table, tmp_path):
    "What holds spectra is read, what does not is counted"
    table.assign(id='t'+table.id).to_csv(tmp_path/'t.txt', sep='\t', index=False); table.assign(id='x'+table.id).to_excel(tmp_path/'x.xlsx', index=False)
    (tmp_path/'notes.txt').write_text('Dried at 40 degrees\n1,2,3\n'); book([['id', 'field'], ['S1', 'north']], tmp_path/'fields.xlsx')
    (tmp_path/'lab.txt').write_text(joined(['id\tkex\tcec', *(f'{i}\t0.3\t12' for i in range(1000, 1050))])); (tmp_path/'broken.xlsx').write_bytes(b'PK\3\4 no')
    files = SpectraFiles(tmp_path, wavenumbers=soils.wavenumbers); parts,_ = quietly(lambda: list(files.parts()))
    assert sum(map(len, parts))==12 and files.others.total()==4 and not files.refused

@pytest.mark.parametrize('corner', ['cm-1', 'Wavenumber', ''])
def test_samples_that_are_called_like_wavenumbers(soils, table, tmp_path, corner):
    "Numbered from 2001, on their side: the first column is the axis, whatever stands over the others"
    side = pd.concat([table.set_index('id').T]*3, axis=1).set_axis(range(2001, 2019), axis=1); side.index = [f'{float(v):.2f}' for v in side.index]
    side.rename_axis(corner).to_csv(tmp_path/'t.csv')
    lib,told = quietly(read_library, tmp_path/'t.csv'); assert lib.spectra.shape==(18, 1701) and list(lib.ids[:2])==['2001', '2002'] and len(told)==1
    narrow = table.iloc[:, :150].set_index('id').rename_axis(''); narrow.to_csv(tmp_path/'n.csv')
    assert read_library(tmp_path/'n.csv').spectra.shape==(6, 149)

# --- what is refused ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize('name,how,words', [
    ('nm', lambda v,i: f'{1e7/v:.3f}', 'nanometres'), ('named nm', lambda v,i: f'{1e7/v:.1f} nm', 'nanometres'), ('um', lambda v,i: f'{1e4/v:.5f}', 'micrometres'),
    ('from 0', lambda v,i: str(i), 'plain counting'), ('V1', lambda v,i: f'V{i+1}', 'plain counting'), ('ASD', lambda v,i: str(350+i) if i<2151 else '', 'nanometres'),
    ('no header', lambda v,i: f'{.2+i/1e4:.4f}', 'values of spectra')])
def test_axes_that_are_none(soils, table, tmp_path, mirzai, model, name, how, words):
    f = tmp_path/'t.csv'; w = soils.wavenumbers
    if name=='ASD': table = pd.concat([table, table.iloc[:, 1:451]], axis=1); w = np.arange(2151)
    table.set_axis(['id', *(how(v, i) for i,v in enumerate(w))], axis=1).to_csv(f, index=False)
    line = refused(mirzai, 'predict', model, f, '--out', tmp_path/'p.csv'); assert words in line and str(f) in line
    assert words in refused(mirzai, 'train', f, '--out', tmp_path/'m') and not (tmp_path/'m').exists()

def test_nanometres_that_run_downwards(soils, tmp_path, mirzai, model):
    (tmp_path/'a.dpt').write_text(joined(f'{1e7/v:.3f},{y:.5f}' for v,y in zip(soils.wavenumbers, soils.spectra[0])))
    assert 'nanometres' in refused(mirzai, 'predict', model, tmp_path/'a.dpt', '--out', tmp_path/'p.csv')

def test_units_that_a_line_states(table, tmp_path):
    "Percent is refused unless it was said; the unit of a property is taken"
    f = tmp_path/'t.csv'; head,*rows = lines(table)
    f.write_text(joined([head, ',%R'*(table.shape[1]-1), *rows]))
    with pytest.raises(MirzaiError, match='says percent'): read_library(f)
    f.write_text(joined([head, ',nm'*(table.shape[1]-1), *rows]))
    with pytest.raises(MirzaiError, match='nanometres'): read_library(f)
    head,*rows = lines(table.assign(kex=[100., 200, 300, 150, 160, 170])); f.write_text(joined([head, ','*(table.shape[1]-1)+',mg/kg', *rows]))
    assert np.allclose(read_library(f).y()[:2], np.array([100, 200])/390.983)

def test_laboratory_tables_are_no_spectra(tmp_path, mirzai):
    for text in ('id,kex,cec\n'+joined(f'{i},{i/1e3},{i/50}' for i in range(301, 360)), '"","kex"\n'+joined(f'"{i}",{i/1e3}' for i in range(301, 360)),
                 'id,'+','.join(f'PC{i}' for i in range(1, 21))+'\n'+joined('a,'+','.join(['1.5']*20) for _ in range(9))):
        (tmp_path/'t.csv').write_text(text); assert 'spectral columns' in refused(mirzai, 'train', tmp_path/'t.csv', '--out', tmp_path/'m')

# --- years among the wavenumbers ----------------------------------------------------------------------------------

GRIDS = {'even': np.arange(600, 4001, 2.), 'OPUS': 599.766+1.92857*np.arange(1764), 'KSSL': np.floor(599.73+1.92851*np.arange(1764)), 'coarse': np.arange(650, 4000, 16.), 'ends in .5': np.arange(600.5, 4000, 4),
         'gap': np.r_[np.arange(600, 2270, 2.), np.arange(2400, 4001, 2.)], 'two regions': np.r_[np.arange(650, 1800, 3.9), np.arange(2800, 3800, 3.9)], 'even in nm': 1e7/np.linspace(2500, 16600, 80)[::-1],
         'points lost': np.delete(np.arange(600, 4001, 2.), [5, 7, 8, 300, 302, 1699])}

@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('order', ['rising', 'falling', 'shuffled'])
def test_real_grids_are_whole(grid, order):
    w = GRIDS[grid]; w = dict(rising=w, falling=w[::-1], shuffled=np.random.default_rng(0).permutation(w))[order]
    header = ['id', *(f'{v:.6g}' for v in w), 'kex']
    waves,told = quietly(spectral_columns, header, 't.csv'); assert len(waves)==len(w) and not told

@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('order', ['rising', 'falling'])
@pytest.mark.parametrize('years', [['2019'], ['2017', '2019', '2021'], ['1'], ['2019.5'], ['20190512']])
@pytest.mark.parametrize('where', ['first', 'last', 'between'])
def test_years_are_properties(grid, order, years, where):
    "Unless they stand on a wavenumber that is there: then nobody can say which is which, and that is said"
    w = GRIDS[grid]; w = w if order=='rising' else w[::-1]
    names = [f'{v:.6g}' for v in w]; at = dict(first=0, last=len(w), between=len(w)//2)[where]
    header = ['id', *names[:at], *years, *names[at:], 'kex']
    if {float(y) for y in years}&set(map(float, names)):
        with pytest.raises(MirzaiError, match='two columns'): spectral_columns(header, 't.csv')
        return
    waves,told = quietly(spectral_columns, header, 't.csv')
    assert len(waves)==len(w) and not {header[i] for i in waves}&set(years) and len(told)==1 and years[0] in told[0]

def test_a_year_of_yields(soils, table, tmp_path):
    f = tmp_path/'t.csv'; table.assign(**{'2019': [3., 4, 5, 3, 4, 5]}).to_csv(f, index=False)
    lib,told = quietly(read_library, f)
    assert np.allclose(lib.spectra, soils.spectra, atol=1e-6) and list(lib.properties['2019'])==[3, 4, 5, 3, 4, 5] and '2019' in told[0]
    twice = table.copy(); twice.insert(1, '2000', 3., allow_duplicates=True); twice.to_csv(f, index=False)
    with pytest.raises(MirzaiError, match='two columns for wavenumber 2000'): read_library(f)

# --- the ordinary way stays fast ----------------------------------------------------------------------------------

def test_only_the_head_is_looked_at(soils, tmp_path, monkeypatch):
    "However many rows there are, a table's layout costs the same"
    import mirzai.loading as L
    seen = []; real = L.find_layout; monkeypatch.setattr(L, 'find_layout', lambda rows, *a: (seen.append(len(rows)), real(rows, *a))[1])
    f = tmp_path/'t.csv'; f.write_text('id,'+','.join(map(str, range(600, 640, 2)))+'\n'+joined(f'a{i}'+',0.5'*20 for i in range(5000)))
    assert len(read_library(f))==5000 and seen==[60]

# --- workbooks that would take the memory -------------------------------------------------------------------------

def parts_of(sheet, more=None):
    main,office,package = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main', 'http://schemas.openxmlformats.org/officeDocument/2006/relationships', 'http://schemas.openxmlformats.org/package/2006'
    kind = 'application/vnd.openxmlformats-officedocument.spreadsheetml'
    rel = lambda t, to: f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/{t}" Target="{to}"/></Relationships>'
    return {'[Content_Types].xml': f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
            '_rels/.rels': rel('officeDocument', 'xl/workbook.xml'), 'xl/_rels/workbook.xml.rels': rel('worksheet', 'worksheets/sheet1.xml'),
            'xl/workbook.xml': f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
            'xl/worksheets/sheet1.xml': f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/>{sheet}</worksheet>'}|(more or {})

def zipped(path, parts):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for n,t in parts.items(): z.writestr(n, t)
    return path

ROW = lambda r, *cells: f'<row r="{r}">'+''.join(f'<c r="{k}{r}" t="inlineStr"><is><t>{v}</t></is></c>' for k,v in cells)+'</row>'
BOMBS = {'far cell': ROW(1, ('A', 'id'), ('B', 'field'))+ROW(1048576, ('XFD', 'z')), 'deep': ROW(1, ('A', 'id'))+ROW(10**12, ('A', 'z')), 'wide': ''.join(ROW(i, ('XFD', 'z')) for i in range(1, 3000)),
         'one row': '<row>'+'<c><v>1</v></c>'*1_500_000+'</row>', 'beyond the last column': ROW(1, ('ZZZZ', 'z')), 'shared string that is none': '<row r="1"><c r="A1" t="s"><v>99</v></c></row>'}

@pytest.mark.parametrize('bomb', BOMBS)
def test_small_workbooks_take_no_memory(tmp_path, bomb):
    "The claimed size costs nothing; what is there is counted"
    f = zipped(tmp_path/'b.xlsx', parts_of(f'<sheetData>{BOMBS[bomb]}</sheetData>'))
    if bomb=='far cell': assert len(workbook_table(f))==2
    else:
        with pytest.raises(MirzaiError, match='b.xlsx: '): workbook_table(f)
    for read in (open_library, read_values):
        with pytest.raises(MirzaiError, match='b.xlsx: '): read(f)
    assert table_kind(f)==''

def test_parts_that_unpack_to_gigabytes(tmp_path):
    for name in ('xl/sharedStrings.xml', 'xl/styles.xml', 'xl/workbook.xml'):
        f = zipped(tmp_path/'b.xlsx', parts_of('<sheetData/>', {name: b' '*70_000_000}))
        with pytest.raises(MirzaiError, match='unpacks to 70 MB'): workbook_table(f)
    with pytest.raises(MirzaiError, match='over 1 MB'): workbook_table(zipped(tmp_path/'b.xlsx', parts_of('<sheetData>'+' '*2_000_000+'</sheetData>')), megabytes=1)
    with pytest.raises(MirzaiError, match='more than 3 rows'): workbook_table(zipped(tmp_path/'b.xlsx', parts_of('<sheetData>'+''.join(ROW(i, ('A', 'z')) for i in range(1, 9))+'</sheetData>')), rows=3)

# --- values from the laboratory -----------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def scans(sample, tmp_path_factory):
    "A folder of OPUS files, two scans of some soils, and what a laboratory found in them"
    d = tmp_path_factory.mktemp('scans'); lib = sample.select('kex')[:50]; w = lib.wavenumbers[::-1]
    for i,x in enumerate(lib.spectra):
        for k in range(1+(i<5)): (d/f'S{i:03d}.{k}').write_bytes(opus_bytes(w, ab=x[::-1]*(1+k/100)))
    (d/'protocol.txt').write_text('S001 was wet')
    return d, pd.DataFrame(dict(id=[f'S{i:03d}' for i in range(50)], kex=lib.y()))

def test_training_on_a_folder_and_a_table(mirzai, scans, tmp_path):
    folder,lab = scans; lab.to_csv(tmp_path/'lab.csv', index=False)
    code,out,err = mirzai('train', folder, '--values', tmp_path/'lab.csv', '--model', 'plsr', '--folds', 3, '--kex-method', 'acetate', '--out', tmp_path/'m')
    assert code==0 and '50 spectra, 50 used' in out and 'ammonium acetate' in out, (out, err)
    new = tmp_path/'new.xlsx'; lab.assign(id=lab.id.replace('S049', 'lost'), kex=lab.kex*390.983).to_excel(new, index=False)
    code,out,err = mirzai('train', folder, '--values', new, '--kex-unit', 'mg/kg', '--model', 'plsr', '--folds', 0, '--out', tmp_path/'m2')
    assert code==0 and '50 spectra, 49 used; 1 dropped (kex missing)' in out.replace('(missing)', '(kex missing)') and '1 spectra have no value' in err and 'S049' in err and '1 values have no spectrum' in err and 'lost' in err, (out, err)
    assert 'looks like mg/kg' in refused(mirzai, 'train', folder, '--values', new, '--model', 'plsr', '--out', tmp_path/'m3')
    code,out,err = mirzai('evaluate', folder, '--values', tmp_path/'lab.csv', '--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', tmp_path/'e')
    assert code==0 and '50 spectra, 50 used' in out

def test_validating_on_a_folder_and_a_table(mirzai, scans, sample, tmp_path):
    folder,lab = scans; lab.to_csv(tmp_path/'lab.csv', index=False)
    from mirzai.loading import write_library
    write_library(sample.select('kex')[100:200], tmp_path/'t.csv')
    assert mirzai('train', tmp_path/'t.csv', '--model', 'plsr', '--folds', 3, '--out', tmp_path/'m')[0]==0
    code,out,err = mirzai('validate', tmp_path/'m', folder, '--values', tmp_path/'lab.csv'); assert code==0 and 'local soils' in out, (out, err)

@pytest.mark.parametrize('break_,words', [
    (lambda t: t.assign(id=t.id+'x'), 'none of its 50 ids'), (lambda t: pd.concat([t, t[:1].assign(kex=9.)]), 'several rows with different values'), (lambda t: t.rename(columns=dict(id='soil')), 'no column of ids'),
    (lambda t: t[['id']], 'only ids'), (lambda t: t[:0], 'empty'), (lambda t: pd.concat([t, t[:1].assign(id=' ')]), 'without an id'), (lambda t: t.rename(columns=dict(kex='K')), "no property 'kex'")])
def test_values_that_cannot_be_joined(mirzai, scans, tmp_path, break_, words):
    folder,lab = scans; break_(lab).to_csv(tmp_path/'lab.csv', index=False)
    assert words in refused(mirzai, 'train', folder, '--values', tmp_path/'lab.csv', '--out', tmp_path/'m') and not (tmp_path/'m').exists()

def test_values_that_are_not_there(mirzai, scans, tmp_path):
    assert 'no such file' in refused(mirzai, 'train', scans[0], '--values', tmp_path/'no.csv', '--out', tmp_path/'m')
    assert 'is a folder' in refused(mirzai, 'train', scans[0], '--values', tmp_path, '--out', tmp_path/'m')

@pytest.mark.parametrize('text', ['id,kex\n7,0.5\n007,0.3\n', 'sep=;\nid;kex\n7;0,5\n007;0,3\n', 'Results\n\nSample ID\tkex\n7\t0.5\n007\t0.3\n\t\n', 'id,kex\n,cmol/kg\n7,0.5\n007,0.3\n7,0.5\n'])
def test_ids_of_values_are_text(tmp_path, text):
    for enc in ('utf-8', 'utf-16'):
        f = tmp_path/'v.csv'; f.write_bytes(text.encode(enc)); t = read_values(f)
        assert list(t.index)==['7', '007'] and list(t.kex)==[.5, .3] and ('kex_unit' in t)==('cmol' in text)

def test_values_take_the_place_of_others(soils, table, tmp_path):
    table.assign(kex=9., cec=5.).to_csv(tmp_path/'t.csv', index=False); pd.DataFrame(dict(id=table.id[::-1], kex=np.arange(6)/10)).to_csv(tmp_path/'v.csv', index=False)
    lib,told = quietly(read_library, tmp_path/'t.csv', values=tmp_path/'v.csv')
    assert np.allclose(lib.y(), np.arange(5, -1, -1)/10) and (lib.y('cec')==5).all() and 'takes the place of kex' in told[0]

# --- a range ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('name', ['plsr', 'gpr'])
def test_a_model_within_a_range(mirzai, sample, tmp_path, name):
    from mirzai.loading import write_library
    write_library(sample.select('kex')[:80], tmp_path/'t.csv'); write_library(sample[200:204].between(650), tmp_path/'zns.csv')
    code,out,_ = mirzai('train', tmp_path/'t.csv', '--model', name, '--folds', 0, '--from', 650, '--to', 3900, '--out', tmp_path/'m')
    assert code==0 and '650 to 3900 cm-1' in out
    assert mirzai('predict', tmp_path/'m', tmp_path/'zns.csv', '--out', tmp_path/'p.csv')[0]==0
    whole = pd.read_csv(tmp_path/'p.csv').predicted; write_library(sample[200:204], tmp_path/'all.csv')
    assert mirzai('predict', tmp_path/'m', tmp_path/'all.csv', '--out', tmp_path/'q.csv')[0]==0 and np.allclose(pd.read_csv(tmp_path/'q.csv').predicted, whole)
    assert mirzai('train', tmp_path/'t.csv', '--model', name, '--folds', 0, '--out', tmp_path/'w')[0]==0
    assert '--from 650' in refused(mirzai, 'predict', tmp_path/'w', tmp_path/'zns.csv', '--out', tmp_path/'r.csv')

def test_ranges_that_are_none(mirzai, sample, tmp_path):
    from mirzai.loading import write_library
    write_library(sample.select('kex')[:40], tmp_path/'t.csv')
    for args,words in ((('--from', 4000, '--to', 650), 'lower wavenumber first'), (('--from', 5000), 'at least 10'), (('--from', 'x'), 'not a number')):
        assert words in refused(mirzai, 'train', tmp_path/'t.csv', *args, '--out', tmp_path/'m')

# --- damage -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def small(sample):
    t = pd.DataFrame(sample.spectra[:12, ::43].round(4), columns=[f'{v:g}' for v in sample.wavenumbers[::43]]); t.insert(0, 'id', [f's{i}' for i in range(12)]); t['kex'] = .5
    return t

DAMAGED = {'utf-16': lambda t: t.to_csv(index=False).encode('utf-16'), 'titled': lambda t: ('sep=;\nMay\n'+t.to_csv(index=False, sep=';', decimal=',')).encode(), 'units': lambda t: joined([lines(t)[0], ',cm-1'*(t.shape[1]-2)+',', *lines(t)[1:]]).encode(),
           'trailing': lambda t: (joined(l+',,' for l in lines(t))+','*42+'\n').encode(), 'side': lambda t: t.drop(columns='kex').set_index('id').T.rename_axis('cm-1').to_csv().encode(),
           'pair': lambda t: joined(f'{c},{v}' for c,v in t.drop(columns=['id', 'kex']).iloc[0].items()).encode(), 'year': lambda t: t.assign(**{'2019': 3}).to_csv(index=False, sep='\t').encode()}

@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_text(small, tmp_path, name):
    good = DAMAGED[name](small); f = tmp_path/'t.txt'
    f.write_bytes(good); assert attempt(in_parts, f)[0] is not None
    @fuzz(100)
    @given(MUTATIONS)
    def check(how):
        f.write_bytes(mutate(good, how)); got,_ = attempt(in_parts, f)
        if got is not None: sound(got)
        assert attempt(table_kind, f)[0] in ('', 'rows', 'columns', 'pair', 'odd'); attempt(read_values, f)
    check()

def test_damaged_workbooks(small, tmp_path):
    "Bytes of the file, or of the sheet inside"
    f = tmp_path/'t.xlsx'; small.to_excel(f, index=False); good = f.read_bytes()
    with zipfile.ZipFile(f) as z: parts = {n: z.read(n) for n in z.namelist()}
    assert attempt(in_parts, f)[0] is not None
    @fuzz(100)
    @given(MUTATIONS, st.sampled_from(['', *sorted(parts)]))
    def check(how, inside):
        if inside: zipped(f, parts|{inside: mutate(parts[inside], how)})
        else: f.write_bytes(mutate(good, how))
        got,_ = attempt(in_parts, f)
        if got is not None: sound(got)
        attempt(read_values, f)
    check()

def test_no_formula_is_computed_and_no_link_followed(small, tmp_path):
    rows = [list(small), *small.astype(object).values.tolist()]; rows[1][3] = '=HYPERLINK("http://127.0.0.1:9/x","y")'; book(rows, tmp_path/'t.xlsx')
    got,_ = attempt(in_parts, tmp_path/'t.xlsx'); assert got is not None and np.isnan(got.spectra[0]).sum()==1
