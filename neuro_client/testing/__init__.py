"""Tools for tests: of this package, and of programs that use it.

``plugin`` has the pytest fixtures, ``proxy`` the network that fails, ``leaks`` the checks that
nothing was left behind, ``login`` the way to a local platform, ``stores`` the checks of an
`ObjectStore`.
"""
