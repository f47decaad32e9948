"""A page and a service over HTTP for the people at the line; the extra `serve`.

    settings     what the server may do, and how much of it
    listening    the socket that the server listens at
    records/     the SQLite file: versions, predictions, reviews, jobs, watches, tokens
    work/        images kept, detectors loaded, scoring, learning, watching, webhooks
    api/         the endpoints of the service
    web/         HTTP: what is let in, errors, the pages, the server

Detectors are used by their public names alone.
"""
