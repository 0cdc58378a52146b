/** CRC-32 as in zlib, the checksum of everything that Sixfold writes. Also for formats that live beside their core. */
export { crc32 } from "node:zlib";
