"""Say which mirzai, code and command made kept files: `python benchmarks/record.py FOLDER "COMMAND" [FILE...]`

Writes into about.json of the folder (nbs/results, nbs/paper/results); files are named below it, by default all that have no record.
"""
import sys
from mirzai.experiment import made_by
from mirzai.store import record_made, unrecorded

if __name__=='__main__':
    folder,command,*files = sys.argv[1:]
    record_made(folder, made_by()|dict(command=command), files or None)
    print(f'{folder}: without a record: {", ".join(unrecorded(folder)) or "none"}')
