// The two packed values of the contract, plugins/wit/plugin.wit: the fields of a call, and its verdict.

/** The length of a field that is absent. */
const ABSENT = 0xffff_ffff;

const decoder = new TextDecoder();

/** The fields of a call, one after the other in the order of the activation. */
export class Fields {
  #bytes;
  #view;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next one as text; `undefined` = absent. */
  next() {
    const length = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    if (length === ABSENT) {
      return undefined;
    }
    const text = decoder.decode(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return text;
  }
}

/** The bit that makes the host call `takeOutcome`. */
const MORE = 8n;

/** On to the next plugin. */
export const NEXT = 0n;

/** On to the next plugin, with edits or effects. */
export const NEXT_WITH_OUTCOME = NEXT | MORE;

/** An answer of this status; its headers and body are in the outcome. */
export function respondWithOutcome(status) {
  return 2n | MORE | (BigInt(status) << 16n);
}
