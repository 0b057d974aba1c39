"Every page of the built site: no broken link, no missing picture, no raw directive, nothing loaded from elsewhere"
import re, sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

RAW = re.compile(r'^\s*#\|\s*(hide|export|eval|echo|default_exp|exportd|slow)\b|::: *\{|\{\{&lt;|\{\{<|\.ipynb"', re.M)

def check(root:Path):
    "All faults of the site under `root`, one line each"
    pages = {p.relative_to(root).as_posix(): p.read_text(encoding='utf-8') for p in root.rglob('*.html')}
    ids = {n: set(map(unescape, re.findall(r'\bid="([^"]+)"', t))) for n,t in pages.items()}
    for name,text in pages.items():
        if m := RAW.search(text): yield f'{name}: raw directive or notebook link {m[0].strip()!r}'
        for attr,url in re.findall(r'\b(href|src)="([^"]*)"', text):
            u = urlsplit(unescape(url))
            if u.scheme=='data' or u.scheme=='mailto': continue
            if u.scheme or u.netloc:
                if attr=='src' or re.search(rf'<link[^>]+{re.escape(url)}', text): yield f'{name}: loads {url} from elsewhere'
                continue
            target = (root/name).parent/unquote(u.path) if u.path else root/name
            if target.is_dir(): target = target/'index.html'
            if not target.exists(): yield f'{name}: broken link {url}'
            elif u.fragment and target.suffix=='.html' and unquote(u.fragment) not in ids[target.resolve().relative_to(root.resolve()).as_posix()]: yield f'{name}: no such place {url}'

if __name__=='__main__':
    root = Path(sys.argv[1] if len(sys.argv)>1 else '_docs')
    faults = list(check(root))
    print(*faults, f'{len(list(root.rglob("*.html")))} pages, {len(faults)} faults', sep='\n')
    sys.exit(bool(faults))
