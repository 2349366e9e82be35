// Synchronisation as one writes it by hand over promises, which bring none: a bounded channel and a lock.
class Fifo {
  constructor() {
    this.items = [];
    this.first = 0;
  }
  get size() {
    return this.items.length - this.first;
  }
  push(item) {
    this.items.push(item);
  }
  shift() {
    const item = this.items[this.first];
    this.items[this.first++] = undefined;
    if (this.first > 1024 && this.first * 2 > this.items.length) {
      this.items = this.items.slice(this.first);
      this.first = 0;
    }
    return item;
  }
}

exports.Channel = class {
  constructor(capacity) {
    this.capacity = capacity;
    this.items = new Fifo();
    this.receiver = this.sender = null;
  }
  async send(item) {
    while (this.items.size >= this.capacity) await new Promise((wake) => (this.sender = wake));
    this.items.push(item);
    const wake = this.receiver;
    if (wake) {
      this.receiver = null;
      wake();
    }
  }
  async recv() {
    while (this.items.size === 0) await new Promise((wake) => (this.receiver = wake));
    const item = this.items.shift();
    const wake = this.sender;
    if (wake) {
      this.sender = null;
      wake();
    }
    return item;
  }
};

exports.Lock = class {
  constructor() {
    this.held = false;
    this.queue = new Fifo();
  }
  async acquire() {
    if (!this.held) {
      this.held = true;
      return;
    }
    await new Promise((wake) => this.queue.push(wake));
  }
  release() {
    if (this.queue.size) this.queue.shift()();
    else this.held = false;
  }
};
