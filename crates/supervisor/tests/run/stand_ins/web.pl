#!/usr/bin/perl
# Stands for web_gui: answers 200 to everything, at the address that the settings name.
use strict;
use warnings;
use IO::Socket::INET;

open(my $settings, '<', $ARGV[1]) or die "no settings: $!";
my ($listen) = map { /^listen = (\S+)$/ ? $1 : () } <$settings>;
my $server = IO::Socket::INET->new(LocalAddr => $listen, Listen => 5, ReuseAddr => 1) or die "can't listen: $!";
while (my $client = $server->accept) {
    sysread($client, my $request, 4096);
    print $client "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok";
}
