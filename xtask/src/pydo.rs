//! DigitalOcean's official Python client for the tests: pydo, in a virtual environment of its own below `target`, unless some
//! Python is named that has it.

use std::path::PathBuf;

use anyhow::Result;

use crate::python::Package;
use crate::workspace::Workspace;

/// Tells the tests which Python has pydo.
pub(crate) const VARIABLE: &str = "SLUICE_PYDO_PYTHON";
/// Names of the tests that need it begin so.
pub(crate) const TESTS: &str = "infra_pydo::";
/// What a user may type to see what is wrong.
pub(crate) const INSTALL: &str = "python3 -m venv target/pydo && target/pydo/bin/pip install pydo==0.36.0";
/// The version that the tests are written for.
const PACKAGE: Package = Package { variable: VARIABLE, pinned: "pydo==0.36.0", module: "pydo" };

/// A Python that has pydo.
///
/// # Errors
/// There is no Python, or the package cannot be fetched.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    PACKAGE.python(&workspace.target_folder().join("pydo"))
}
