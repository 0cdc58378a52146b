/**
 * Large frames of a WebSocket, on the side that dialled, into memory that their receiver names (`ConnectOptions.roomFor`).
 *
 *     socket ──┬── handshake, small frames, controls ──> ws ──> link
 *              │           an empty frame for each large ─┘      │
 *              └── what is in a large frame ──> its room ────────┘
 *
 * ws keeps all that makes a WebSocket, the order of frames among it: an empty frame that it hands on stands for the next one that lies here. Without
 * this it is given chunks of 64 KiB, each in memory of its own, and copies them together into new memory again: of a link that receives a
 * gibibyte, the collector hears of two that come and go, and marks the whole heap some fifty times.
 *
 * Most of a room is written by the system itself, which goes on writing where it was told to until it is told another place. So the last byte of a
 * frame always comes by the chunk: when a room is handed on, the system has long been told of another place, whatever is thrown meanwhile.
 */
import * as net from "node:net";
import { assert } from "@sixfold/model";
import type { ConnectOptions } from "@sixfold/ports";

/** Headers, small frames, and the ends of large ones: what is in here is copied once more, so it is not large itself. */
const CHUNK_BYTES = 16 << 10;
/** RFC 6455, section 5.2: the first byte of a whole binary frame. */
const WHOLE_BINARY = 0x82;
/** In its second byte: not masked, and 8 bytes of length follow, for a length from 64 KiB on. */
const LENGTH_64 = 127;
const LENGTH_16 = 126;
const MASKED = 0x80;
const HEADER_BYTES_MAX = 14;
const EMPTY_FRAME = Buffer.of(WHOLE_BINARY, 0);
const NO_BYTES = new Uint8Array();
/** A handshake's answer ends so. */
const HANDSHAKE_END = Buffer.from("\r\n\r\n");

interface AsideOptions {
  readonly maxFrameBytes: number;
  readonly roomFor: NonNullable<ConnectOptions["roomFor"]>;
}

export class FramesAside {
  private readonly o: AsideOptions;
  private readonly chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** What comes next. `rest`: all of it is for ws. */
  private part: "handshake" | "header" | "payload" | "rest" = "handshake";
  /** Bytes of `HANDSHAKE_END` that came last. */
  private matched = 0;
  private readonly header = Buffer.alloc(HEADER_BYTES_MAX);
  private headerBytes = 0;
  /** Of the payload: where it goes, if not to ws; its bytes, and those that have come. */
  private room: Uint8Array | undefined;
  private bytes = 0;
  private at = 0;
  /** Of this chunk, for ws. */
  private passed: Uint8Array[] = [];
  /** One for each empty frame that ws was given and has not handed on. */
  private readonly frames: Uint8Array[] = [];

  constructor(o: AsideOptions) {
    this.o = o;
  }

  /** What ws is to dial with. */
  connect(options: net.NetConnectOpts): net.Socket {
    const onread: net.OnReadOpts = {
      buffer: () => this.place,
      callback: (count, place) => {
        const passed = this.came(place.subarray(0, count));
        return passed.length === 0 || socket.push(passed);
      },
    };
    const socket = net.connect({ ...options, onread });
    return socket;
  }

  /** What an empty frame that ws hands on stands for. */
  next(): Uint8Array {
    return this.frames.shift() ?? NO_BYTES;
  }

  /** Where the next bytes are to be written. */
  get place(): Uint8Array {
    const { room, at, bytes } = this;
    const isDirect = this.part === "payload" && room !== undefined && bytes - at > CHUNK_BYTES;
    return isDirect ? room.subarray(at, bytes - 1) : this.chunk;
  }

  /** Bytes that were written to `place`. Returns what ws is to be given, which is its own. */
  came(bytes: Uint8Array): Buffer {
    if (bytes.buffer === this.room?.buffer) {
      this.at += bytes.length;
      return Buffer.alloc(0);
    }
    for (let i = 0; i < bytes.length;) i += this.take(bytes.subarray(i));
    return Buffer.concat(this.passed.splice(0));
  }

  /** Returns how many were taken, at least one. */
  private take(bytes: Uint8Array): number {
    switch (this.part) {
      case "handshake":
        return this.takeHandshake(bytes);
      case "header":
        return this.takeHeader(bytes);
      case "payload":
        return this.takePayload(bytes);
      case "rest":
        this.passed.push(bytes);
        return bytes.length;
    }
  }

  private takeHandshake(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && this.matched < HANDSHAKE_END.length) {
      const byte = bytes[taken++]!;
      if (byte === HANDSHAKE_END[this.matched]) this.matched += 1;
      else this.matched = byte === HANDSHAKE_END[0] ? 1 : 0;
    }
    this.passed.push(bytes.subarray(0, taken));
    if (this.matched === HANDSHAKE_END.length) this.part = "header";
    return taken;
  }

  private takeHeader(bytes: Uint8Array): number {
    let taken = 0;
    while (taken < bytes.length && this.headerBytes < this.headerEnd)
      this.header[this.headerBytes++] = bytes[taken++]!;
    if (this.headerBytes === this.headerEnd) this.begin();
    return taken;
  }

  private get headerEnd(): number {
    if (this.headerBytes < 2) return 2;
    const second = this.header[1]!;
    const length = second & ~MASKED;
    const lengthBytes = length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0;
    return 2 + lengthBytes + (second & MASKED ? 4 : 0);
  }

  private begin(): void {
    const { header } = this;
    const [first, second] = [header[0]!, header[1]!];
    const length = second & ~MASKED;
    this.bytes =
      length === LENGTH_64
        ? Number(header.readBigUInt64BE(2))
        : length === LENGTH_16
          ? header.readUInt16BE(2)
          : length;
    this.at = 0;
    this.room = first === WHOLE_BINARY && second === LENGTH_64 ? this.roomFor(this.bytes) : undefined;
    if (this.room === undefined) this.passed.push(Uint8Array.from(header.subarray(0, this.headerBytes)));
    this.headerBytes = 0;
    this.part = this.bytes === 0 ? "header" : "payload";
    if (first === WHOLE_BINARY && this.bytes === 0) this.frames.push(NO_BYTES);
    // Frames in parts are not sent here. An empty one of those stands for nothing: from then on none lies here.
    else if (isPart(first)) this.part = "rest";
  }

  private roomFor(bytes: number): Uint8Array | undefined {
    if (bytes > this.o.maxFrameBytes) return undefined;
    const room = this.o.roomFor(bytes);
    assert(room === undefined || room.length === bytes, "a frame's room is as large as the frame");
    return room;
  }

  private takePayload(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.bytes - this.at);
    if (this.room === undefined) this.passed.push(taken);
    else this.room.set(taken, this.at);
    this.at += taken.length;
    if (this.at === this.bytes) this.end();
    return taken.length;
  }

  private end(): void {
    this.part = "header";
    if (this.room === undefined) return;
    this.frames.push(this.room);
    this.room = undefined;
    this.passed.push(EMPTY_FRAME);
  }
}

/** Of a frame's first byte: more follows, or it goes on with another. */
const isPart = (first: number): boolean => (first & 0x80) === 0 || (first & 0x0f) === 0;
