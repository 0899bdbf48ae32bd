"""Requirements, metadata, versions and scripts agree with each other and work."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements'
SCRIPTS = (
    '.ci/run',
    'requirements/install.sh',
    'requirements/python.sh',
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / 'tools').glob('*.sh'))),
)
DISTRIBUTION_OF = {
    'cv2': 'opencv-python-headless',
    'PIL': 'pillow',
    'skimage': 'scikit-image',
}
OPENMMLAB = {'mmcv', 'mmdet', 'mmengine'}
UNWANTED = {'opencv-python', 'imagecorruptions-imaug'}


def read_requirements(name: str) -> list[Requirement]:
    lines = (REQUIREMENTS / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


def names_in(name: str) -> set[str]:
    return {canonicalize_name(r.name) for r in read_requirements(name)}


@pytest.fixture(scope='module')
def setup_metadata() -> dict:
    """What setup.py passes to setuptools, in a process of its own."""
    code = (
        'import json, setuptools\n'
        'from distutils.core import run_setup\n'
        "d = run_setup('setup.py', stop_after='init')\n"
        'print(json.dumps(dict(name=d.get_name(), version=d.get_version(), '
        'python=str(d.python_requires), requires=d.install_requires, '
        'extras=d.extras_require, packages=d.packages)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------- requirements


@pytest.mark.parametrize(
    'name',
    ['build', 'docs', 'mmdeps', 'mminstall', 'optional', 'ovis', 'runtime', 'tests'],
)
def test_every_requirement_has_a_lower_bound(name):
    requirements = read_requirements(name)
    assert requirements
    for requirement in requirements:
        operators = {spec.operator for spec in requirement.specifier}
        assert operators & {'>=', '=='}, requirement


def test_bounds_of_one_package_agree_between_files():
    bounds: dict[str, set[str]] = {}
    for path in REQUIREMENTS.glob('*.txt'):
        for requirement in read_requirements(path.stem):
            name = canonicalize_name(requirement.name)
            bounds.setdefault(name, set()).add(str(requirement.specifier))
    disagreeing = {k: v for k, v in bounds.items() if len(v) > 1}
    assert disagreeing == {}


def test_setup_requires_what_runtime_lists(setup_metadata):
    listed = {str(r) for r in read_requirements('runtime')}
    assert {str(Requirement(r)) for r in setup_metadata['requires']} == listed


def test_extras_are_the_files_of_that_name(setup_metadata):
    for extra, requires in setup_metadata['extras'].items():
        listed = {str(r) for r in read_requirements(extra)}
        assert {str(Requirement(r)) for r in requires} == listed


def test_setup_finds_the_packages(setup_metadata):
    assert {'mmdet_ovis', 'pa_lib', 'pa_lib.cython_lib'} <= set(
        setup_metadata['packages']
    )
    assert not any(p.startswith(('tests', 'tools')) for p in setup_metadata['packages'])


def test_pinned_openmmlab_versions_fit_the_check_at_import():
    window = runpy.run_path(str(ROOT / 'mmdet_ovis' / '_compat.py'))['REQUIREMENTS']
    pins = {r.name: r.specifier for r in read_requirements('mminstall')}
    assert len([name for name in pins if name.startswith('onedl-')]) == len(window)
    for module, (lowest, first_untried) in window.items():
        distribution = {'mmdet': 'onedl-mmdetection'}.get(module, f'onedl-{module}')
        (pin,) = pins[distribution]
        assert pin.operator == '=='
        assert Version(pin.version) in SpecifierSet(f'>={lowest},<{first_untried}')


def test_mmdeps_lists_all_that_the_openmmlab_packages_depend_on():
    needed = set()
    for requirement in read_requirements('mminstall'):
        for line in metadata.requires(requirement.name) or []:
            dependency = Requirement(line)
            marker = dependency.marker
            if marker is None or marker.evaluate({'extra': ''}):
                needed.add(canonicalize_name(dependency.name))
    ours = names_in('mmdeps') | names_in('runtime') | names_in('mminstall')
    assert needed - UNWANTED <= ours
    assert not UNWANTED & ours


def test_runtime_lists_every_imported_package():
    imported = set()
    for folder in ('mmdet_ovis', 'pa_lib'):
        for path in (ROOT / folder).rglob('*.py'):
            if path.name != 'setup.py':
                imported |= top_level_imports(path.read_text(encoding='utf-8'))
    ours = {'mmdet_ovis', 'pa_lib', 'torch', *OPENMMLAB, *sys.stdlib_module_names}
    needed = {
        canonicalize_name(DISTRIBUTION_OF.get(name, name)) for name in imported - ours
    }
    optional = {'setuptools', 'cython', *names_in('optional'), *names_in('ovis')}
    assert needed - optional <= names_in('runtime')


def top_level_imports(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition('.')[0])
    return found


def test_pre_commit_runs_the_same_ruff_as_the_tests():
    config = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())
    (rev,) = (r['rev'] for r in config['repos'] if 'ruff' in r['repo'])
    (pin,) = (str(r.specifier) for r in read_requirements('tests') if r.name == 'ruff')
    assert pin == f'=={rev.removeprefix("v")}'


# ---------------------------------------------------------------- versions, metadata


def test_the_version_is_the_same_everywhere(setup_metadata):
    version = runpy.run_path(str(ROOT / 'mmdet_ovis' / 'version.py'))['__version__']
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    changelog = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    latest = re.search(r'^## (\S+)', changelog, re.M).group(1)
    assert setup_metadata['version'] == version
    assert citation['version'] == version
    assert latest == version


def test_the_lowest_python_is_the_same_everywhere(setup_metadata):
    ruff = (ROOT / 'pyproject.toml').read_text(encoding='utf-8')
    assert setup_metadata['python'] == '>=3.10'
    assert 'target-version = "py310"' in ruff


def test_the_model_index_lists_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    present = (ROOT / 'configs').glob('*/metafile.yml')
    assert sorted(index['Import']) == sorted(
        path.relative_to(ROOT).as_posix() for path in present
    )


def test_readme_and_metafile_hold_the_same_results():
    metafile = ROOT / 'configs/openshapes/metafile.yml'
    models = yaml.safe_load(metafile.read_text(encoding='utf-8'))['Models']
    rows = re.findall(
        r'^\| (baseline|GGN) \| (seen|unseen) \| (.*) \|$',
        (ROOT / 'README.md').read_text(encoding='utf-8'),
        re.M,
    )
    shown = {
        (name, split): [[float(x) for x in cell.split(' / ')] for cell in cells]
        for name, split, cells in ((n, s, c.split(' | ')) for n, s, c in rows)
    }
    recorded = {
        (name, result['Dataset'].split()[1]): list(result['Metrics'].values())
        for name, model in zip(('baseline', 'GGN'), models, strict=True)
        for result in model['Results']
    }
    assert len(recorded) == 4
    assert all(len(seeds) == 3 for cells in recorded.values() for seeds in cells)
    assert shown == recorded
    assert all((ROOT / model['Config']).is_file() for model in models)


def test_no_file_names_a_place_on_one_machine():
    listing = ['git', 'ls-files', '--cached', '--others', '--exclude-standard']
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip('not a git checkout')
    homes = '|'.join(('root', 'home', 'work', 'workspace', 'Users'))
    place = re.compile(rf'(?<![\w.~}}/-])/(?:{homes})/|\.\./shared\b')
    found = []
    for name in done.stdout.splitlines():
        path = ROOT / name
        if not path.is_file() or path == Path(__file__).resolve():
            continue
        text = path.read_bytes().decode('utf-8', errors='ignore')
        found += [
            f'{name}:{number}: {line.strip()}'
            for number, line in enumerate(text.splitlines(), 1)
            if place.search(line)
        ]
    assert found == []


# ---------------------------------------------------------------- scripts


@pytest.mark.parametrize('script', SCRIPTS)
def test_scripts_are_executable_and_parse(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(['bash', '-n', str(ROOT / script)], check=True)


def test_make_alone_prints_the_targets():
    done = subprocess.run(
        ['make'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for target in ('install', 'demo', 'test', 'lint', 'docs', 'clean'):
        assert re.search(rf'^  {target}\s', done.stdout, re.M)


@pytest.fixture
def clone(tmp_path):
    """A copy of what the installation needs before it installs anything."""
    target = tmp_path / 'clone'
    shutil.copytree(REQUIREMENTS, target / 'requirements')
    return target.resolve()


def run_script(script: Path, *args: str, **variables: str):
    hidden = ('VIRTUAL_ENV', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'PYTHON', 'CXX')
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    return subprocess.run(
        [shutil.which('bash'), str(script), *args],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ('variables', 'expected'),
    [
        ({'VIRTUAL_ENV': '/venv'}, '/venv/bin/python'),
        ({'CONDA_PREFIX': '/conda/envs/a'}, '/conda/envs/a/bin/python'),
        (
            {'VIRTUAL_ENV': '/venv', 'CONDA_PREFIX': '/conda/envs/a'},
            '/venv/bin/python',
        ),
        ({'CONDA_PREFIX': '/conda', 'CONDA_DEFAULT_ENV': 'base'}, None),
        ({}, None),
    ],
)
def test_the_active_environment_is_chosen(clone, variables, expected):
    done = run_script(clone / 'requirements' / 'python.sh', **variables)
    assert done.stdout.strip() == (expected or f'{clone}/.venv/bin/python')


def failure(done) -> str:
    """The last line of a failed installation."""
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith('[install] FAILED: ')
    assert 'Remedy: ' in last
    return last


def test_a_vanished_environment_is_named(clone, tmp_path):
    gone = tmp_path / 'gone'
    done = run_script(clone / 'requirements' / 'install.sh', VIRTUAL_ENV=str(gone))
    assert f'{gone} has no bin/python' in failure(done)


def test_an_old_python_is_refused_before_anything_is_made(clone, tmp_path):
    old = tmp_path / 'python3.9'
    old.write_text('#!/bin/sh\necho Python 3.9.1\nexit 1\n')
    old.chmod(0o755)
    done = run_script(clone / 'requirements' / 'install.sh', PYTHON=str(old))
    assert 'no Python 3.10 or newer' in failure(done)
    assert not (clone / '.venv').exists()


def test_an_unknown_argument_is_refused(clone):
    done = run_script(clone / 'requirements' / 'install.sh', 'tets')
    assert "unknown argument 'tets'" in failure(done)


def test_a_missing_compiler_is_found_before_downloading(clone, tmp_path):
    environment = tmp_path / 'env'
    subprocess.run(
        [sys.executable, '-m', 'venv', '--without-pip', str(environment)], check=True
    )
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('cat', 'dirname', 'grep', 'mv', 'sh', 'sort', 'tail'):
        (tools / name).symlink_to(shutil.which(name))
    done = run_script(
        clone / 'requirements' / 'install.sh',
        VIRTUAL_ENV=str(environment),
        PATH=str(tools),
    )
    assert 'apt-get install build-essential' in failure(done)
    assert not (environment / '.mmdet_ovis_stamp').exists()


def ask(clone: Path, question: str, **variables: str):
    return subprocess.run(
        [sys.executable, str(clone / 'requirements' / 'probe.py'), question],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def probe(clone: Path, question: str) -> str:
    done = ask(clone, question)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_fingerprint_follows_requirements_and_kernels(clone):
    kernel = clone / 'pa_lib' / 'cython_lib' / 'a.pyx'
    kernel.parent.mkdir(parents=True)
    kernel.write_text('x = 1')
    before = probe(clone, 'fingerprint')
    assert probe(clone, 'fingerprint') == before
    kernel.write_text('x = 2')
    changed_kernel = probe(clone, 'fingerprint')
    with (clone / 'requirements' / 'runtime.txt').open('a') as file:
        file.write('rich>=99\n')
    changed_requirements = probe(clone, 'fingerprint')
    assert len({before, changed_kernel, changed_requirements}) == 3


def test_the_installed_operators_compute(clone):
    shutil.copytree(ROOT / 'mmdet_ovis', clone / 'mmdet_ovis')
    assert Version(probe(clone, 'mmcv').strip())


@pytest.mark.parametrize(
    ('name', 'version', 'status'), [('torch', '2.3.1+cpu', 2), ('mmdet', '3.3.0', 1)]
)
def test_a_version_that_does_not_fit_is_not_kept(
    clone, tmp_path, name, version, status
):
    shutil.copytree(ROOT / 'mmdet_ovis', clone / 'mmdet_ovis')
    package = tmp_path / 'site' / name
    package.mkdir(parents=True)
    (package / '__init__.py').write_text(f'__version__ = {version!r}\n')
    done = ask(clone, name, PYTHONPATH=str(package.parent))
    assert done.returncode == status
    assert version in done.stderr


def test_distributions_that_share_a_folder_are_named(clone, tmp_path):
    info = tmp_path / 'site' / 'mmcv_lite-2.1.0.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: mmcv-lite\n')
    done = ask(clone, 'no-conflict', PYTHONPATH=str(info.parent))
    assert done.returncode == 2
    assert 'mmcv-lite' in done.stderr
