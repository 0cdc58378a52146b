/**
 * The frame: one message on a link, in either direction.
 *
 *      0        2          3       4        8           12
 *      | magic  | protocol | type  | CRC-32 | volume    | body ...
 *      | u16    | u8       | u8    | u32    | tag u32   |
 *
 * Little-endian. The CRC covers the body and starts from `type` instead of 0, so that a damaged type does not
 * read another message's body. The volume tag keeps a process that came up with another cluster's addresses
 * from being understood: it is a hash of the volume's name, or 0 on frames that are sent before a side knows it (`hello`, and the
 * links of clients). Type numbers are never reused; a changed body takes a new number or a new protocol version.
 */
import { LIMITS } from "@sixfold/model";
import { ack, append, appendBytes } from "./append-codec.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { crc32 } from "./checksum.ts";
import { clientWelcome, responses, topology } from "./client-answer-codec.ts";
import { requests } from "./client-codec.ts";
import type { ClientMessage } from "./client-messages.ts";
import type { Codec } from "./codec.ts";
import * as manifest from "./manifest-codec.ts";
import { pageRead, readPage } from "./page-codec.ts";
import * as storage from "./storage-codec.ts";
import type { StorageMessage } from "./storage-messages.ts";
import { WireError } from "./wire-error.ts";

export type Message = StorageMessage | ClientMessage;
export type MessageType = Message["type"];

export const PROTOCOL_VERSION = 1;
/** "6F", as bytes. */
const MAGIC = 0x46_36;
export const FRAME_HEADER_BYTES = 12;

/** Number and body of every message. */
export const MESSAGES: {
  readonly [T in MessageType]: readonly [number: number, body: Codec<Extract<Message, { type: T }>>];
} = {
  hello: [1, storage.hello],
  welcome: [2, storage.welcome],
  goodbye: [3, storage.goodbye],
  ping: [4, storage.ping],
  append: [16, append],
  ack: [17, ack],
  askVotes: [18, storage.askVotes],
  votes: [19, storage.votes],
  // 20 was a fence that named pages without their bases.
  fence: [38, storage.fence],
  fenced: [21, storage.fenced],
  close: [22, storage.close],
  closed: [23, storage.closed],
  outcomes: [24, storage.outcomes],
  outcomesKnown: [25, storage.outcomesKnown],
  readPage: [26, readPage],
  pageRead: [27, pageRead],
  pullSlices: [28, storage.pullSlices],
  pulledSlices: [29, storage.pulledSlices],
  positions: [30, storage.positions],
  findTransaction: [31, storage.findTransaction],
  // 32 was one that did not say whether the stream is closed.
  transactionFound: [39, storage.transactionFound],
  pullPages: [33, storage.pullPages],
  pulledPages: [34, storage.pulledPages],
  cargo: [40, storage.cargo],
  askCopied: [35, storage.askCopied],
  copied: [36, storage.copied],
  readers: [37, storage.readers],
  manifestPrepare: [48, manifest.manifestPrepare],
  manifestPromise: [49, manifest.manifestPromise],
  manifestAccept: [50, manifest.manifestAccept],
  manifestAccepted: [51, manifest.manifestAccepted],
  manifestPeek: [52, manifest.manifestPeek],
  manifestPeeked: [53, manifest.manifestPeeked],
  manifestTold: [54, manifest.manifestTold],
  follow: [64, storage.follow],
  feedStart: [65, storage.feedStart],
  askDurable: [66, storage.askDurable],
  durable: [67, storage.durable],
  askStatus: [68, storage.askStatus],
  status: [69, storage.status],
  askSnapshot: [70, storage.askSnapshot],
  snapshot: [71, storage.snapshot],
  manifestNews: [74, manifest.manifestNews],
  askPages: [76, storage.askPages],
  pagesGiven: [77, storage.pagesGiven],
  clientWelcome: [80, clientWelcome],
  // 81 and 82 were requests and responses before answers carried one token a frame.
  topology: [83, topology],
  requests: [84, requests],
  responses: [85, responses],
};

/** Types up to this are said before a side knows the other's volume: any tag will do. */
const LAST_OF_HANDSHAKE = 15;

const codecs: (Codec<Message> | undefined)[] = Array.from({ length: 256 }, () => undefined);
for (const [number, body] of Object.values(MESSAGES)) codecs[number] = body as unknown as Codec<Message>;

const writer = new ByteWriter();

/** The tag of a volume's name: never 0, which says "not known". */
export function volumeTagOf(volume: string): number {
  return crc32(volume) || 1;
}

/** One whole frame, which must not be changed afterwards. O(bytes). */
export function encodeMessage(message: Message, volumeTag: number): Uint8Array {
  const [type, body] = MESSAGES[message.type] as readonly [number, Codec<Message>];
  const w = writer;
  w.begin(sizeHint(message));
  w.u16(MAGIC);
  w.u8(PROTOCOL_VERSION);
  w.u8(type);
  w.u32(0);
  w.u32(volumeTag);
  body.write(w, message);
  if (w.length > LIMITS.frameBytes)
    throw new WireError("too-large", `${message.type} has ${w.length} bytes, more than ${LIMITS.frameBytes}`);
  w.patchU32(4, crc32(w.written(FRAME_HEADER_BYTES), type));
  return w.take();
}

/** Of messages that are large: a run that outgrows its chunk is moved. */
function sizeHint(message: Message): number | undefined {
  if (message.type === "append") return FRAME_HEADER_BYTES + appendBytes(message);
  return message.type === "pulledPages" ? FRAME_HEADER_BYTES + storage.pulledPagesBytes(message) : undefined;
}

/**
 * The message of a frame that anyone may have made: whole and valid, or `WireError`. Views in it share the frame's bytes.
 * With `volumeTag` 0 frames of any volume are taken (see `frameVolumeTag`).
 */
export function decodeFrame(frame: Uint8Array, volumeTag: number): Message {
  if (frame.length > LIMITS.frameBytes) throw new WireError("too-large", `a frame of ${frame.length} bytes`);
  if (frame.length < FRAME_HEADER_BYTES) throw new WireError("bad-frame", "shorter than a header");
  const r = new ByteReader(frame);
  if (r.u16() !== MAGIC) throw new WireError("bad-frame", "not a frame of Sixfold");
  const protocol = r.u8();
  if (protocol !== PROTOCOL_VERSION)
    throw new WireError("wrong-protocol", `protocol ${protocol}, not ${PROTOCOL_VERSION}`);
  const type = r.u8();
  const crc = r.u32();
  const tag = r.u32();
  if (crc32(r.bytes.subarray(FRAME_HEADER_BYTES), type) !== crc)
    throw new WireError("bad-checksum", "the body is not what was sent");
  const codec = codecs[type];
  if (codec === undefined) throw new WireError("unknown-message", `type ${type}`);
  if (volumeTag !== 0 && tag !== volumeTag && type > LAST_OF_HANDSHAKE)
    throw new WireError("wrong-volume", `tag ${tag}, not ${volumeTag}`);
  const message = codec.read(r);
  r.finish();
  return message;
}

/** The volume tag of a frame that `decodeFrame` took. */
export function frameVolumeTag(frame: Uint8Array): number {
  return new ByteReader(frame, 8, FRAME_HEADER_BYTES).u32();
}
