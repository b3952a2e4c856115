//! One file a verb: arguments in, a function of the folders below, words out.
