"""Errors a user can act on: the command line prints their one line and exits non-zero."""


class DsslicError(Exception):
    """Base of every error whose message tells the user what is wrong and what to do."""


class ConfigError(DsslicError):
    """A setting is missing, unknown or contradicts another."""


class DataError(DsslicError):
    """A data set, picture or label map cannot be used."""


class OutputRefused(DataError):
    """What stands where something is to be written is not to be replaced."""


class TooLarge(DataError):
    """A picture needs more memory than there is, or than is allowed."""


class ModelError(DsslicError):
    """A model directory or weight file is missing, damaged or does not fit."""


class StreamError(DsslicError):
    """A `.dsslic` stream is damaged, cut short or not one of ours."""


class CoderUnavailable(DsslicError):
    """A layer coder's program or package is not installed."""


class CoderFailed(DsslicError):
    """A layer coder ran and failed, or wrote something that is not to be trusted."""


class TrainingStopped(DsslicError):
    """Training cannot go on, for example because a loss is no longer finite."""
