// The errors a caller may want to catch: the Python package's, under the same names.

/** Anything this module refuses to do; its message is one sentence fit for a person. */
export class DetectorError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The model file is damaged, without metadata, harmful, or at odds with what its network gives. */
export class ModelError extends DetectorError {}

/** An image or an argument cannot be used. */
export class InputError extends DetectorError {}
