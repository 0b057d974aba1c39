"What the chapters show: outputs without warnings and without the paths of a machine"
import json, re
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if not p.name.startswith('.'))
MACHINE = re.compile(r'/(tmp|home|work|root|Users|opt|var)/[\w.-]+')

def shown(cell):
    "The texts a cell's outputs show, with the name of the stream where there is one"
    for o in cell.get('outputs', []):
        yield o.get('name', ''), ''.join(o.get('text', []))
        for kind,text in o.get('data', {}).items():
            if kind.startswith('text/'): yield kind, ''.join(text)

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_carry_no_warning_and_no_path_of_a_machine(path):
    for i,cell in enumerate(json.loads(path.read_text(encoding='utf-8'))['cells']):
        for name,text in shown(cell):
            assert name!='stderr', f'cell {i}: {text[:200]}'
            assert not MACHINE.search(text), f'cell {i}: {MACHINE.search(text)[0]}'
