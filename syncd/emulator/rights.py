"""Who may see and do what. Pure predicates; what the v8 pages do not say is marked (assumed)."""

from collections.abc import Iterable, Iterator

from syncd.emulator.rows import Project, User, Workspace


def sees_all(user: User, workspace: Workspace) -> bool:
    """Admins see every row and every rate; members see all clients and no private project (assumed)."""
    return user.access.get(workspace.id, False)


def sees_rates(user: User, workspace: Workspace) -> bool:
    """Members see rates too, unless the workspace keeps them for its admins."""
    return sees_all(user, workspace) or not workspace.only_admins_see_billable_rates


def may_write(user: User, workspace: Workspace) -> bool:
    """Create and update clients and projects: members too, unless only admins may create them (vendor page)."""
    if workspace.id not in user.access:
        return False
    return user.access[workspace.id] or not workspace.only_admins_may_create_projects


def may_delete(user: User, workspace: Workspace) -> bool:
    """Delete clients and projects: admins only (assumed: the v8 page says that some may not, but not who)."""
    return user.access.get(workspace.id, False)


def visible_projects(user: User, workspace: Workspace, rows: Iterable[Project]) -> Iterator[Project]:
    """Those of `rows`, all of `workspace`, that the user may see."""
    everything = sees_all(user, workspace)
    return (row for row in rows if everything or not row.is_private)
