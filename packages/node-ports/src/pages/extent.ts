/** A part of a page in the data file. What is put begins at a unit, what is added anywhere. */
export interface Extent {
  /** Byte of the file. */
  readonly at: number;
  readonly bytes: number;
}

/** What addresses count: they are u32. */
export const UNIT_BYTES = 512;

/**
 * The rest of an extent's address as u32:
 *
 *     | added: 1 | 1 unused | 9: byte in its unit | 21: its bytes |
 */
export const packExtent = ({ at, bytes }: Extent, isAdded: boolean): number =>
  ((isAdded ? ADDED : 0) | ((at % UNIT_BYTES) << BYTES_BITS) | bytes) >>> 0;

export const unpackExtent = (unit: number, packed: number): Extent => ({
  at: unit * UNIT_BYTES + ((packed >>> BYTES_BITS) % UNIT_BYTES),
  bytes: packed % (1 << BYTES_BITS),
});

export const isPackedAdded = (packed: number): boolean => packed >= ADDED;

export const unitOf = ({ at }: Extent): number => Math.floor(at / UNIT_BYTES);

export const endOf = ({ at, bytes }: Extent): number => at + bytes;

const BYTES_BITS = 21;
const ADDED = 2 ** 31;
