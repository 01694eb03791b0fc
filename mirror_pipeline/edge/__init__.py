"""The code that runs at CloudFront's edge: ``viewer_request.js``. No Python belongs here.

``domain.edge`` puts generation and tokens into it, ``adapters.edge_function`` deploys it.
"""
