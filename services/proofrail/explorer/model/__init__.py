"""What the explorer serves: the models of the JSON API, and of the pages, which are templates over them.

Times are milliseconds since the Unix epoch (`…_ms`) as the records' timestamps say, unless a name says otherwise; they
are hints, no evidence. Text that came from a topic is as it came: whoever shows it escapes it. A member that has
nothing to say is null.
"""
