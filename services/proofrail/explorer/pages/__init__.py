"""The explorer's pages: templates over a ViewReader, with htmx for what changes in place, and no build step.

Every page works as plain links and forms. Scripts and styles are files of this service, so that the
content-security-policy needs no exception; texts that came from topics are escaped by the template engine, and what
cannot be seen in them is spelled out.
"""

from proofrail.explorer.pages.mounted import routes
from proofrail.explorer.pages.rendering import error_page

__all__ = ["error_page", "routes"]
