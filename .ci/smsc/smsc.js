// A message centre on node-smpp, for interoperability tests: the scenarios are ours, the codec is not. Loopback only.
//   node smsc.js [-p PORT] [-c CONTROL-PORT]      0, the default, takes any; the ports are printed in one line
//
// The first four digits of the destination choose what happens:
//   4900 delivered after 50 ms      4901 undeliverable            4902 rejected
//   4903 receipt before response    4904 no receipt               4905 throttled (0x58)
//   4906 queue full (0x14)          4907 bad destination (0x0B)   4908 no response
//   4909 connection destroyed       4910 response after 3 s       4911 generic_nack
//   4912 hex id in the response, decimal in the receipt           4913 receipt only in TLVs
//   4914 receipt twice              4920 reply                    4921 reply in UCS-2
//   4922 reply in message_payload   4923 reply in two parts
//   4924 reply with the sequence number of the submit, before its response
// system_id "bad" is refused, "late" bound after 3 s, "mute" never answered, "drop" closed after the bind.
// Control over HTTP: /rate?n=N (more a second are throttled) /drop /enquire /alert /datasm /unbind /stats
//   /mo?from=&to=&text=&dcs=
'use strict';
const smpp = require('smpp');
const http = require('http');

const arg = (key) => { const i = process.argv.indexOf('-' + key); return i > 0 ? +process.argv[i + 1] : 0; };
const sessions = new Set();
const stats = { submit: 0, throttled: 0, receipts: 0, mo: 0, responses: {}, enquired: 0, datasm: {} };
let rate = 0, second = 0, inSecond = 0, nextID = 0x1a2b3c;

function stamp() {
  const d = new Date(), z = (n) => ('0' + n).slice(-2);
  return z(d.getFullYear() % 100) + z(d.getMonth() + 1) + z(d.getDate()) + z(d.getHours()) + z(d.getMinutes());
}

function deliver(session, message) {
  session.deliver_sm(message, (r) => { stats.responses[r.command_status] = (stats.responses[r.command_status] || 0) + 1; });
}

function receipt(session, pdu, id, state, err, { tlvOnly = false, tlv = true } = {}) {
  const text = `id:${id} sub:001 dlvrd:${state === 'DELIVRD' ? '001' : '000'} submit date:${stamp()} ` +
    `done date:${stamp()} stat:${state} err:${err} text:`;
  const m = {
    service_type: '', source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr, dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr, esm_class: 4, data_coding: 0, short_message: tlvOnly ? '' : text,
  };
  if (tlv) {
    m.receipted_message_id = id;
    m.message_state = { DELIVRD: 2, UNDELIV: 5, REJECTD: 8 }[state];
  }
  stats.receipts++;
  deliver(session, m);
}

function reply(session, message) {
  stats.mo++;
  deliver(session, Object.assign({ source_addr_ton: 1, source_addr_npi: 1, dest_addr_ton: 1, dest_addr_npi: 1, esm_class: 0 }, message));
}

function submit(session, pdu) {
  stats.submit++;
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) { second = now; inSecond = 0; }
  if (rate && ++inSecond > rate) {
    stats.throttled++;
    return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
  }
  const kind = (pdu.destination_addr || '').replace(/^\+/, '').slice(0, 4);
  const n = nextID++;
  const id = kind === '4912' ? n.toString(16).toUpperCase() : String(n);
  const accept = () => session.send(pdu.response({ message_id: id }));
  const refuse = (status) => session.send(pdu.response({ command_status: status }));
  const back = { source_addr: pdu.destination_addr, destination_addr: pdu.source_addr };
  const wanted = (pdu.registered_delivery & 3) === 1;
  switch (kind) {
    case '4905': return refuse(smpp.ESME_RTHROTTLED);
    case '4906': return refuse(smpp.ESME_RMSGQFUL);
    case '4907': return refuse(smpp.ESME_RINVDSTADR);
    case '4908': return;
    case '4909': return session.destroy();
    case '4910': return setTimeout(accept, 3000);
    case '4911': return session.send(new smpp.PDU('generic_nack', { sequence_number: pdu.sequence_number, command_status: 3 }));
    case '4903':
      if (wanted) receipt(session, pdu, id, 'DELIVRD', '000');
      return setTimeout(accept, 50);
    case '4924':
      reply(session, Object.assign({ sequence_number: pdu.sequence_number, short_message: 'same-seq reply' }, back));
      return setTimeout(accept, 100);
  }
  accept();
  if (wanted && kind !== '4904') {
    setTimeout(() => {
      const state = { 4901: 'UNDELIV', 4902: 'REJECTD' }[kind] || 'DELIVRD';
      const err = state === 'DELIVRD' ? '000' : '034';
      if (kind === '4912') return receipt(session, pdu, String(n), state, err, { tlv: false });
      receipt(session, pdu, id, state, err, { tlvOnly: kind === '4913' });
      if (kind === '4914') receipt(session, pdu, id, state, err);
    }, 50);
  }
  const replies = {
    4920: [{ short_message: 'Re: ok' }],
    4921: [{ data_coding: 8, short_message: 'Да 👍' }],
    4922: [{ message_payload: 'long '.repeat(80), short_message: '' }],
    4923: [1, 2].map((i) => ({ esm_class: 0x40, short_message: { udh: Buffer.from([5, 0, 3, 77, 2, i]), message: 'part' + i + ' ' } })),
  };
  setTimeout(() => (replies[kind] || []).forEach((m) => reply(session, Object.assign(m, back))), 50);
}

function bind(session, pdu) {
  switch (pdu.system_id) {
    case 'bad': return session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
    case 'late': return setTimeout(() => session.send(pdu.response({ system_id: 'LABSMSC' })), 3000);
    case 'mute': return;
  }
  session.bound = true;
  session.send(pdu.response({ system_id: 'LABSMSC', sc_interface_version: 0x34 }));
  if (pdu.system_id === 'drop') setTimeout(() => session.destroy(), 100);
}

const server = smpp.createServer((session) => {
  sessions.add(session);
  session.on('error', () => {});
  session.on('close', () => sessions.delete(session));
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) session.on(kind, (pdu) => bind(session, pdu));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unknown', (pdu) => session.send(pdu.response()));
  session.on('submit_sm', (pdu) => submit(session, pdu));
});

function control(request, response) {
  const url = new URL(request.url, 'http://x'), get = (k) => url.searchParams.get(k);
  const all = [...sessions].filter((s) => s.bound);
  let out = 'ok';
  switch (url.pathname) {
    case '/rate': rate = +get('n'); break;
    case '/drop': all.forEach((s) => s.destroy()); break;
    case '/enquire': all.forEach((s) => s.enquire_link({}, () => stats.enquired++)); break;
    case '/unbind': all.forEach((s) => s.unbind(() => s.close())); break;
    case '/alert': all.forEach((s) => s.alert_notification({ source_addr: '4915', esme_addr: '1' })); break;
    case '/datasm':
      all.forEach((s) => s.data_sm({ source_addr: '4915', destination_addr: '1', message_payload: 'via data_sm' },
        (r) => { stats.datasm[r.command_status] = (stats.datasm[r.command_status] || 0) + 1; }));
      break;
    case '/mo':
      all.forEach((s) => reply(s, { source_addr: get('from'), destination_addr: get('to'), short_message: get('text'), data_coding: +(get('dcs') || 0) }));
      break;
    case '/stats': out = JSON.stringify(stats); break;
    default: response.statusCode = 404;
  }
  response.end(out + '\n');
}

const web = http.createServer(control);
server.listen(arg('p'), '127.0.0.1', () => web.listen(arg('c'), '127.0.0.1', () => {
  console.log(`smsc 127.0.0.1:${server.address().port} control 127.0.0.1:${web.address().port}`);
}));
