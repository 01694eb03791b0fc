"""One module per phase of the pipeline, free of Dagster: read through adapters, let the domain decide, write.

The assets wrap these for the UI, the command line calls some of them directly. A phase returns what a
person or a machine wants to know of it; how that is shown is not its affair.
"""
