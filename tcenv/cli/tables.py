"""The commands for the light reader: what positional argument each takes, and its options with their keys and kinds.
Generated from `app` by `make generated`."""

GROUPS = ("profile", "purpose")
COMMANDS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "login": (
        "?",
        {
            "--root-url": ("root_url", "text"),
            "--name": ("name", "text"),
            "--scope": ("scopes", "list"),
            "--as": ("purpose", "text"),
            "--expires": ("expires", "text"),
            "--description": ("description", "text"),
            "--reset": ("reset", "flag"),
            "--flow": ("flow", "text"),
            "--port": ("port", "number"),
            "--timeout": ("timeout", "text"),
            "--browser": ("browser", "text"),
            "--no-browser": ("no_browser", "flag"),
            "--retry": ("retry", "flag"),
            "--no-self-delete": ("no_self_delete", "flag"),
            "--shell": ("shell", "text"),
        },
    ),
    "signin": (
        "?",
        {
            "--root-url": ("root_url", "text"),
            "--name": ("name", "text"),
            "--scope": ("scopes", "list"),
            "--expires": ("expires", "text"),
            "--port": ("port", "number"),
            "--check": ("check", "flag"),
            "--csh": ("csh", "flag"),
            "--shell": ("shell", "text"),
        },
    ),
    "env": (
        "?",
        {
            "--shell": ("shell", "text"),
            "--format": ("format", "text"),
            "--scope": ("scopes", "list"),
            "--as": ("purpose", "text"),
            "--for": ("duration", "text"),
        },
    ),
    "logout": (
        "?",
        {
            "--keep-client": ("keep_client", "flag"),
            "--delete-client": ("delete_client", "flag"),
            "--all": ("everything", "flag"),
            "--shell": ("shell", "text"),
        },
    ),
    "shell": (
        "?",
        {
            "--root-url": ("root_url", "text"),
            "--name": ("name", "text"),
            "--scope": ("scopes", "list"),
            "--as": ("purpose", "text"),
            "--expires": ("expires", "text"),
            "--description": ("description", "text"),
            "--reset": ("reset", "flag"),
            "--flow": ("flow", "text"),
            "--port": ("port", "number"),
            "--timeout": ("timeout", "text"),
            "--browser": ("browser", "text"),
            "--no-browser": ("no_browser", "flag"),
            "--retry": ("retry", "flag"),
            "--no-self-delete": ("no_self_delete", "flag"),
            "--for": ("duration", "text"),
            "--no-login": ("no_login", "flag"),
            "--proxy": ("proxy", "flag"),
            "--listen": ("listen", "text"),
            "--log": ("log", "text"),
            "--read-only": ("read_only", "flag"),
            "--unsigned": ("unsigned", "flag"),
            "--allow-credentials": ("allow_credentials", "flag"),
            "--shell": ("shell", "text"),
        },
    ),
    "exec": (
        "--",
        {
            "--root-url": ("root_url", "text"),
            "--name": ("name", "text"),
            "--scope": ("scopes", "list"),
            "--as": ("purpose", "text"),
            "--expires": ("expires", "text"),
            "--description": ("description", "text"),
            "--reset": ("reset", "flag"),
            "--flow": ("flow", "text"),
            "--port": ("port", "number"),
            "--timeout": ("timeout", "text"),
            "--browser": ("browser", "text"),
            "--no-browser": ("no_browser", "flag"),
            "--retry": ("retry", "flag"),
            "--no-self-delete": ("no_self_delete", "flag"),
            "--for": ("duration", "text"),
            "--no-login": ("no_login", "flag"),
            "--proxy": ("proxy", "flag"),
            "--listen": ("listen", "text"),
            "--log": ("log", "text"),
            "--read-only": ("read_only", "flag"),
            "--unsigned": ("unsigned", "flag"),
            "--allow-credentials": ("allow_credentials", "flag"),
            "--learn": ("learn", "flag"),
            "--save": ("save", "text"),
        },
    ),
    "proxy": (
        "?",
        {
            "--root-url": ("root_url", "text"),
            "--scope": ("scopes", "list"),
            "--as": ("purpose", "text"),
            "--for": ("duration", "text"),
            "--no-login": ("no_login", "flag"),
            "--port": ("port", "number"),
            "--listen": ("listen", "text"),
            "--log": ("log", "text"),
            "--read-only": ("read_only", "flag"),
            "--unsigned": ("unsigned", "flag"),
            "--allow-credentials": ("allow_credentials", "flag"),
            "--shell": ("shell", "text"),
        },
    ),
    "status": (
        "?",
        {
            "--offline": ("offline", "flag"),
            "--scopes": ("scopes", "flag"),
            "--all": ("everything", "flag"),
            "--json": ("as_json", "flag"),
        },
    ),
    "scopes": (
        "?",
        {
            "--satisfies": ("satisfies", "list"),
            "--method": ("method", "text"),
        },
    ),
    "init": (
        "?",
        {
            "--no-hook": ("no_hook", "flag"),
            "--no-completion": ("no_completion", "flag"),
            "--prompt": ("prompt", "flag"),
            "--install": ("install", "flag"),
            "--uninstall": ("uninstall", "flag"),
            "--yes": ("yes", "flag"),
        },
    ),
    "direnv": (
        "",
        {
            "--install": ("install", "flag"),
            "--uninstall": ("uninstall", "flag"),
        },
    ),
    "doctor": (
        "",
        {
            "--json": ("as_json", "flag"),
        },
    ),
    "sandbox": (
        "",
        {
            "--port": ("port", "number"),
            "--private": ("private", "flag"),
        },
    ),
    "version": (
        "",
        {},
    ),
    "profile list": (
        "",
        {
            "--json": ("as_json", "flag"),
        },
    ),
    "profile show": (
        "?",
        {
            "--json": ("as_json", "flag"),
        },
    ),
    "profile set": (
        "!",
        {
            "--root-url": ("root_url", "text"),
            "--name": ("name", "text"),
            "--scope": ("scopes", "list"),
            "--expires": ("expires", "text"),
            "--description": ("description", "text"),
            "--flow": ("flow", "text"),
            "--port": ("port", "number"),
            "--timeout": ("timeout", "text"),
            "--browser": ("browser", "text"),
            "--default": ("default", "flag"),
            "--unset": ("unset", "list"),
        },
    ),
    "profile remove": (
        "!",
        {},
    ),
    "purpose list": (
        "?",
        {
            "--json": ("as_json", "flag"),
        },
    ),
    "purpose show": (
        "!",
        {
            "--profile": ("profile", "text"),
            "--json": ("as_json", "flag"),
        },
    ),
    "purpose set": (
        "!",
        {
            "--scope": ("scopes", "list"),
            "--for": ("duration", "text"),
            "--profile": ("profile", "text"),
        },
    ),
    "purpose remove": (
        "!",
        {
            "--profile": ("profile", "text"),
        },
    ),
}
