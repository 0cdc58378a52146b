/** What can be wrong with bytes from a peer or a disk. Never an assertion: others wrote them (STYLE 17). */

export type WireErrorCode =
  "bad-frame" | "bad-checksum" | "unknown-message" | "wrong-volume" | "wrong-protocol" | "too-large";

export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Throws the error for a body that does not say what its type must say. */
export function badFrame(what: string): never {
  throw new WireError("bad-frame", what);
}
