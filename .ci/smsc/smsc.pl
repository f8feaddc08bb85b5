#!/usr/bin/perl
# A message centre on Debian's libnet-smpp-perl (Net::SMPP, a codec of its own kind and age), for interoperability tests.
#   perl smsc.pl [PORT]      0, the default, takes any; the port is printed. Loopback only.
# A receipt follows each submit_sm that asks for one after 50 ms; a text that begins with ECHO gets a reply.
use strict;
use warnings;
use Net::SMPP;
use IO::Select;
use Time::HiRes;
use POSIX qw(strftime);

$| = 1;
$SIG{CHLD} = 'IGNORE';
my $listener = Net::SMPP->new_listen('127.0.0.1', port => $ARGV[0] || 0, smpp_version => 0x34, interface_version => 0x34)
    or die "listen: $!";
printf "smsc 127.0.0.1:%d\n", $listener->sockport;

my $client;
while (1) {
    $client = $listener->accept or next;
    my $pid = fork;
    last if !$pid;
    undef $client;
}
undef $listener;

my $id     = 1000;
my $select = IO::Select->new($client);
my @due;

sub submit {
    my $pdu = shift;
    $id++;
    $client->submit_sm_resp(message_id => sprintf('%08X', $id), seq => $pdu->{seq});
    my $now  = Time::HiRes::time();
    my $date = strftime('%y%m%d%H%M', localtime);
    my %back = (source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr}, data_coding => 0);
    push @due, [ $now + .05, { %back, esm_class => 4, short_message => sprintf(
        'id:%08X sub:001 dlvrd:001 submit date:%s done date:%s stat:DELIVRD err:000 text:%s',
        $id, $date, $date, substr($pdu->{short_message}, 0, 20)) } ] if $pdu->{registered_delivery} & 1;
    push @due, [ $now + .06, { %back, esm_class => 0, short_message => 'reply' } ] if $pdu->{short_message} =~ /^ECHO/;
}

my %bind = (9 => 'bind_transceiver_resp', 1 => 'bind_receiver_resp', 2 => 'bind_transmitter_resp');
while (1) {
    my $wait = @due ? $due[0][0] - Time::HiRes::time() : 10;
    if ($select->can_read($wait < 0 ? 0 : $wait)) {
        my $pdu     = $client->read_pdu() or exit;
        my $command = $pdu->{cmd};
        if (my $answer = $bind{$command}) {
            $client->set_version(0x34);
            $client->$answer(system_id => 'PERLSMSC', seq => $pdu->{seq});
        }
        elsif ($command == 4)    { submit($pdu) }
        elsif ($command == 0x15) { $client->enquire_link_resp(seq => $pdu->{seq}) }
        elsif ($command == 6)    { $client->unbind_resp(seq => $pdu->{seq}); exit }
        elsif ($command == 0x80000005) { printf "deliver_sm_resp status=%d\n", $pdu->{status} }
    }
    while (@due && $due[0][0] <= Time::HiRes::time()) {
        my $next = shift @due;
        $client->deliver_sm(async => 1, %{ $next->[1] });
    }
}
