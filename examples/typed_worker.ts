// Written by `python -m procwire types typed_worker:client`. Do not edit: write it again.

import { msgpack } from "@procwire/codecs";
import { Module } from "@procwire/core";
import type {
  ExtractSchema,
  MethodsWithResponseType,
  MethodsWithoutResponseType,
  SendReturn,
} from "@procwire/core";

export type Currency = "EUR" | "PLN";

export interface Invoice {
  total: string;
  currency: Currency;
  due: string;
  signed: boolean;
}

export interface Line {
  article: string;
  price: string;
  quantity: number;
}

export interface LineInput {
  article: string;
  price: string | number;
  quantity?: number;
}

export interface Order {
  placed: Date;
  lines: LineInput[];
  currency?: Currency;
  discounts?: { [key: string]: string | number };
  signature?: Uint8Array;
}

function build(name: string) {
  return new Module(name)
    .method("bill", { requestCodec: msgpack<Order>(), responseCodec: msgpack<Invoice>() })
    .method("ship", { requestCodec: msgpack<Order>(), responseCodec: msgpack<string>(), response: "stream" })
    .event("shipped", { codec: msgpack<Line>() });
}

/** What the worker offers. */
export type TypedWorkerSchema = ExtractSchema<ReturnType<typeof build>>;

type Methods = TypedWorkerSchema["methods"];
type Events = TypedWorkerSchema["events"];

/** The worker's module: it takes no calls but those that the worker understands. */
export interface TypedWorker extends Module<TypedWorkerSchema> {
  send<M extends MethodsWithoutResponseType<TypedWorkerSchema, "stream"> & string>(
    method: M,
    data: Methods[M]["reqIn"],
    options?: { signal?: AbortSignal },
  ): Promise<SendReturn<Methods[M]["resOut"], Methods[M]["responseType"]>>;
  stream<M extends MethodsWithResponseType<TypedWorkerSchema, "stream"> & string>(
    method: M,
    data: Methods[M]["reqIn"],
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<Methods[M]["resOut"]>;
  onEvent<E extends string & keyof Events>(
    eventName: E,
    handler: (data: Events[E]["dataOut"]) => void,
  ): () => void;
}

/** Makes the module; it still has to be told its executable. */
export function typedWorker(name = "typed_worker"): TypedWorker {
  return build(name);
}
