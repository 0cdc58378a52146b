/** CRC-32 as in zlib, the checksum of everything that Sixfold writes; also of the stored page, whose format lives beside its core. */
export { crc32 } from "node:zlib";
