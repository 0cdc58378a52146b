export { CARGO_HEADER_BYTES, packCargo, unpackCargo, type PackedCargo } from "./cargo.ts";
export { crc32 } from "./checksum.ts";
export type * from "./client-messages.ts";
export type * from "./feed-messages.ts";
export type * from "./log-records.ts";
export type * from "./storage-messages.ts";
export {
  decodeFrame,
  encodeMessage,
  FRAME_HEADER_BYTES,
  frameVolumeTag,
  PROTOCOL_VERSION,
  volumeTagOf,
  type Message,
  type MessageType,
} from "./frame.ts";
export * from "./log-block.ts";
export { compareKeys, decodeKey, encodeKey, type Key } from "./key-codec.ts";
export { decodeRecords, encodeRecords } from "./log-record-codec.ts";
export { skimCheckpoint, skimRecords, skimSlices, type SkimmedRecord } from "./log-skim.ts";
export { decodeSessionToken, encodeSessionToken } from "./session-token.ts";
export { decodeSlice, encodeSlice } from "./slice-codec.ts";
export { decodeValue, encodeArguments, encodeValue } from "./value-codec.ts";
export { WireError, type WireErrorCode } from "./wire-error.ts";
