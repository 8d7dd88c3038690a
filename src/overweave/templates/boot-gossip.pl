# Makes this host's engine and those of its peers see each other: an engine joins the gossip through one
# neighbour, once, and engines that start together end up in islands (moby#35807). Core modules of Debian's
# perl-base only. Arguments: this engine's gossip address, and those of all others.
# Prints what it did. Exit code: 0 where this engine sees every peer that answers, 1 where it told somebody
# something, 2 where this engine does not answer.
#
# Standard input has this host's containers, a line each: id of the network, id of the endpoint, address, length
# of the prefix, MAC. Where nobody has to be told of a peer they are told to everybody once more, and this engine is
# told of those of the peers that it sees, as far as the store knows them ($OVERWEAVE_STORE, as in
# consul://127.0.0.1:8500; by HTTPS where $OVERWEAVE_TLS names a file with key, certificate and authorities, if there
# is an openssl): an engine that puts a container on an overlay before it is in the gossip itself tells nobody, and
# answers all later questions for it with "vtep:<nil>" (measured with 20.10, after reboots and losses of power).
#
# With $OVERWEAVE_TELL: prints the containers of the peers as the store knows them, and no more: a line each, with the
# address of its host before what standard input has of one.
# With $OVERWEAVE_LEFT, the id of a network and a container's name: tells everybody that the endpoint which the store
# has of it is gone, as its engine would have. Exit code 0 where that endpoint is this host's own, else 1.
use strict;
use warnings;
use Errno;
use Fcntl  qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket qw(AF_INET AF_UNIX SOCK_STREAM SOCK_DGRAM SOL_SOCKET SO_ERROR inet_aton inet_ntoa pack_sockaddr_in);

my ($own, @peers) = @ARGV;
my $port = $ENV{OVERWEAVE_GOSSIP_PORT} || 7946;
my ($push_pull, $compressed, $alive, $limit) = (6, 9, 0, 2 << 20);
my ($user, $user_event) = (8, 3);
my $event_time;    # of the last answer: serf's clock for events
$SIG{PIPE} = 'IGNORE';

# LZW as Go's compress/lzw writes it: least significant bit first, 8-bit literals.
sub unpacked {
    my ($out, $previous, $width, $bits, $held, @table) = ('', '', 9, 0, 0);
    for my $byte (unpack 'C*', $_[0]) {
        $bits |= $byte << $held;
        next if ($held += 8) < $width;
        my $code = $bits & ((1 << $width) - 1);
        $bits >>= $width;
        $held -= $width;
        return $out if $code == 257;
        if ($code == 256) { @table = (); $previous = ''; $width = 9; next }
        my $entry =
              $code < 256 ? chr $code
            : $code - 258 < @table ? $table[ $code - 258 ]
            : $code - 258 == @table && length $previous ? $previous . substr($previous, 0, 1)
            :                                             die "not LZW\n";
        push @table, $previous . substr $entry, 0, 1 if length $previous and @table + 258 < 4096;
        $width++ if @table + 258 >= 1 << $width and $width < 12;
        $out .= $previous = $entry;
        die "no end\n" if length $out > $limit;
    }
    die "not LZW\n";
}

# The msgpack value that $_[0] begins with, which is taken off it. Dies with "more" where it breaks off.
sub take { my $n = $_[1]; die "more\n" if length $_[0] < $n; substr $_[0], 0, $n, '' }
sub number { unpack $_[2], take($_[0], $_[1]) }

sub value {
    my $depth = $_[1];
    die "too deep\n" if $depth > 8;
    my $kind = ord take($_[0], 1);
    return $kind if $kind < 0x80;
    return $kind - 256 if $kind >= 0xe0;
    return pairs($_[0], $kind & 15, $depth) if $kind < 0x90;
    return [ map { value($_[0], $depth + 1) } 1 .. $kind & 15 ] if $kind < 0xa0;
    return take($_[0], $kind & 31) if $kind < 0xc0;
    return undef if $kind == 0xc0;
    return $kind & 1 if $kind == 0xc2 or $kind == 0xc3;
    return take($_[0], number($_[0], 1, 'C')) if $kind == 0xc4 or $kind == 0xd9;
    return take($_[0], number($_[0], 2, 'n')) if $kind == 0xc5 or $kind == 0xda;
    return take($_[0], number($_[0], 4, 'N')) if $kind == 0xc6 or $kind == 0xdb;
    return number($_[0], 1, 'C') if $kind == 0xcc or $kind == 0xd0;
    return number($_[0], 2, 'n') if $kind == 0xcd or $kind == 0xd1;
    return number($_[0], 4, 'N') if $kind == 0xce or $kind == 0xd2;
    return number($_[0], 8, 'Q>') if $kind == 0xcf or $kind == 0xd3;
    return pairs($_[0], number($_[0], 2, 'n'), $depth) if $kind == 0xde;
    die "not msgpack\n";
}

sub pairs {
    my ($count, $depth, %its) = @_[ 1, 2 ];
    for (1 .. $count) { my $key = value($_[0], $depth + 1); $its{ $key // '' } = value($_[0], $depth + 1) }
    return \%its;
}

sub raw { my $n = length $_[0]; ($n < 32 ? chr(0xa0 | $n) : pack 'Cn', 0xda, $n) . $_[0] }
sub uint { $_[0] < 128 ? chr $_[0] : pack 'CN', 0xce, $_[0] }

# A push/pull that tells of members and joins nothing.
sub message {
    my $text = chr($push_pull)
        . chr(0x83) . raw('Nodes') . uint(scalar @_) . raw('UserStateLen') . uint(0) . raw('Join') . chr 0xc2;
    for my $m (@_) {
        $text .= chr(0x87) . raw('Name') . raw($m->{Name}) . raw('Addr') . raw($m->{Addr});
        $text .= raw('Port') . uint($m->{Port}) . raw('Meta') . raw($m->{Meta} // '');
        $text .= raw('Incarnation') . uint($m->{Incarnation}) . raw('State') . uint($m->{State});
        $text .= raw('Vsn') . raw($m->{Vsn} // '');
    }
    return $text;
}

# The members that an answer tells, by address.
sub members {
    my $kind = ord take($_[0], 1);
    if ($kind == $compressed) {
        my $map = value($_[0], 0);
        die "no answer\n" unless ref $map eq 'HASH' and defined $map->{Buf} and !ref $map->{Buf};
        my $inner = unpacked($map->{Buf});
        die "no answer\n" unless length $inner and ord $inner == $push_pull;
        return members($inner);
    }
    die "no answer\n" unless $kind == $push_pull;
    my $header = value($_[0], 0);
    die "no answer\n" unless ref $header eq 'HASH' and ($header->{Nodes} // '') =~ /^\d{1,4}$/;
    my %found;
    for (1 .. $header->{Nodes}) {
        my $m = value($_[0], 0);
        die "no member\n" if ref $m ne 'HASH' or grep { ref } values %$m;
        die "no member\n" if grep { !defined $m->{$_} } qw(Name Addr Port Incarnation State);
        die "no member\n" if grep { $m->{$_} !~ /^\d{1,10}$/ } qw(Port Incarnation State);
        die "no member\n" unless length $m->{Addr} == 4 || length $m->{Addr} == 16 and length $m->{Name} < 65536;
        $found{ inet_ntoa(substr $m->{Addr}, -4) } = $m;
    }
    my $size = $header->{UserStateLen} // 0;
    die "no state\n" unless $size =~ /^\d{1,7}$/;
    my $state = take($_[0], $size);
    $event_time = undef;
    if ($state =~ /EventLTime/g) {
        my $rest = substr $state, pos $state, 9;
        $event_time = eval { value($rest, 0) };
    }
    return \%found;
}

# Connections to those of the addresses that take one: all at once, since most of them may be off.
sub reach {
    my (%to, %open);
    for my $address (@_) {
        my $ip = inet_aton($address) or next;
        socket my $socket, AF_INET, SOCK_STREAM, 0 or next;
        fcntl $socket, F_SETFL, O_NONBLOCK | fcntl $socket, F_GETFL, 0;
        connect $socket, pack_sockaddr_in($port, $ip) or $!{EINPROGRESS} or next;
        $to{$address} = $socket;
    }
    my $end = time + 2;
    while (%to and time <= $end) {
        my $ready = '';
        vec($ready, fileno $_, 1) = 1 for values %to;
        select undef, $ready, undef, 0.5 or next;
        for my $address (grep { vec $ready, fileno $to{$_}, 1 } keys %to) {
            my $socket = delete $to{$address};
            next if unpack 'i', getsockopt($socket, SOL_SOCKET, SO_ERROR) || pack 'i', 1;
            fcntl $socket, F_SETFL, ~O_NONBLOCK & fcntl $socket, F_GETFL, 0;
            $open{$address} = $socket;
        }
    }
    return \%open;
}

# Tells the engine behind a connection of members, and gives what it knows; nothing where no answer comes.
sub exchange {
    my ($socket, @tell) = @_;
    return unless $socket;
    my $found = eval {
        local $SIG{ALRM} = sub { die "time\n" };
        alarm 3;
        my ($data, $text, $known) = ('', message(@tell));
        while (length $text) { my $n = syswrite $socket, $text or die "write\n"; substr $text, 0, $n, '' }
        until ($known) {
            die "no answer\n" if length $data > $limit or !sysread $socket, $data, 65536, length $data;
            my $copy = $data;
            $known = eval { members($copy) };
            die $@ unless $known or $@ eq "more\n";
        }
        $known;
    };
    alarm 0;
    return $found;
}

sub talk { my ($address, @members) = @_; exchange(reach($address)->{$address}, @members) }

# What to say of a member to those who have buried it: only a higher incarnation brings it back, and the
# member, which hears of it, outbids it.
sub newly {
    my ($of, $buried) = @_;
    my $incarnation = $of->{Incarnation};
    $incarnation = $buried->{Incarnation} + 1 if $buried and $buried->{Incarnation} >= $incarnation;
    return { %$of, State => $alive, Incarnation => $incarnation };
}

# What an engine says of a container that joins, or leaves: a user event of serf, which every engine passes on.
# Takes lines as standard input has them, with the address of the container's host before it.
sub announce {
    my $what = shift;
    my $to = pack_sockaddr_in($port, inet_aton($own));
    socket my $socket, AF_INET, SOCK_DGRAM, 0 or return;
    for (@_) {
        my ($host, $network, $endpoint, $address, $prefix, $mac) =
            /^([0-9.]{7,15}) ([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9.]{7,15}) (\d{1,2}) ([0-9a-f:]{17})$/ or next;
        my $mask  = inet_ntoa(pack 'N', $prefix ? 0xffffffff << 32 - $prefix & 0xffffffff : 0);
        my $event = chr(0x84) . raw('LTime') . uint($event_time) . raw('CC') . chr(0xc2);
        $event .= raw('Name') . raw("jl $host $network $endpoint") . raw('Payload') . raw("$what $address $mask $mac");
        send $socket, chr($user) . chr($user_event) . $event, 0, $to;
    }
}

# What lets this host's engine into the store, from a file that only root reads.
sub token {
    open my $file, '<', $ENV{OVERWEAVE_ENVIRONMENT} || '/etc/overweave/engine.env' or return;
    return map { /^CONSUL_HTTP_TOKEN=(\S+)/ ? "X-Consul-Token: $1" : () } <$file>;
}

# A connection to the store, and the process that stands between, if there is one.
sub store_at {
    my ($ip, $at) = @_;
    my $tls = $ENV{OVERWEAVE_TLS};
    if (!$tls) {
        socket my $socket, AF_INET, SOCK_STREAM, 0 or die;
        connect $socket, pack_sockaddr_in($at, inet_aton($ip)) or die;
        return $socket;
    }
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die;
    defined(my $process = fork) or die;
    return $ours, $process if $process;
    open STDIN,  '<&', $theirs;
    open STDOUT, '>&', $theirs;
    open STDERR, '>', '/dev/null';
    close $ours;
    my @checked = ('-connect', "$ip:$at", '-verify_return_error', '-verify_ip', $ip);
    { exec 'openssl', 's_client', '-quiet', @checked, map { ("-$_", $tls) } qw(CAfile cert key) }
    exit 1;
}

# The endpoints that the store knows: each as [network, address with length, host, line for `announce`, all of it].
sub recorded {
    my ($ip, $at) = ($ENV{OVERWEAVE_STORE} // '') =~ m{^consul://([0-9.]+):(\d+)} or return;
    my ($answer, $process) = ('');
    eval {
        local $SIG{ALRM} = sub { die "time\n" };
        alarm 5;
        (my $socket, $process) = store_at($ip, $at);
        my $path = '/v1/kv/docker/network/v1.0/endpoint/?recurse=true';
        my $headers = join "\r\n", "Host: $ip:$at", 'Connection: close', token();
        syswrite $socket, "GET $path HTTP/1.0\r\n$headers\r\n\r\n" or die;
        1 while length $answer < 16 * $limit and sysread $socket, $answer, 65536, length $answer;
    };
    alarm 0;
    kill 'TERM', $process and waitpid $process, 0 if $process;
    my @found;
    while ($answer =~ m{"Key":"docker/network/v1\.0/endpoint/([0-9a-f]{64})/([0-9a-f]{64})/"[^{}]*?"Value":"([^"]*)"}g) {
        my ($network, $endpoint, $value) = ($1, $2, $3);
        $value =~ tr{A-Za-z0-9+/}{}cd;
        $value =~ tr{A-Za-z0-9+/}{ -_};
        $value = join '', map { unpack 'u', chr(32 + 3 * length($_) / 4) . $_ } $value =~ /(.{1,60})/gs;
        my ($host)    = $value =~ /"locator":"([0-9.]+)"/                 or next;
        my ($address) = $value =~ m{"addr":"([0-9.]+/\d+)"}              or next;
        my ($mac)     = $value =~ /"mac":"([0-9a-f:]{17})"/               or next;
        push @found, [ $network, $address, $host, "$host $network $endpoint @{[split '/', $address]} $mac", $value ];
    }
    return @found;
}

# Lines for `announce` of the endpoints of some peers.
sub of_peers {
    my %of_peer = @_;
    my (@found, %of) = recorded();
    $of{"@$_[0, 1]"}++ for @found;
    # Of two records of one address one is of a container that is gone.
    return map { $_->[3] } grep { $of_peer{ $_->[2] } and $of{"@$_[0, 1]"} == 1 } @found;
}

if ($ENV{OVERWEAVE_TELL}) {
    print map { "$_\n" } of_peers(map { $_ => 1 } grep { $_ ne $own } @peers);
    exit 0;
}
if (my ($network, $name) = split ' ', $ENV{OVERWEAVE_LEFT} // '') {
    my @its = grep { $_->[0] eq $network and $_->[4] =~ /"name":"\Q$name\E"/ } recorded();
    exit 1 if !@its or grep { $_->[2] ne $own } @its;
    # Where nobody listens, nobody has rows that mislead.
    announce('leave', map { $_->[3] } @its) if talk($own) and defined $event_time;
    exit 0;
}
my $known = talk($own);
exit 2 unless $known and $known->{$own};
my %seen = map { $_ => 1 } grep { $_ ne $own and $known->{$_} and $known->{$_}{State} == $alive } @peers;
my @missing = grep { $_ ne $own and !$seen{$_} } @peers;
my ($open, @missed, @told) = reach(@missing);
for my $peer (grep { $open->{$_} } @missing) {
    my $its = exchange($open->{$peer});
    next unless $its and $its->{$peer};
    push @missed, newly($its->{$peer}, $known->{$peer});
    push @told, $peer;
    my $seen = $its->{$own};
    talk($peer, newly($known->{$own}, $seen)) unless $seen and $seen->{State} == $alive;
}
unless (@told) {
    announce('join', (map { "$own $_" } grep { chomp; length } <STDIN>), of_peers(%seen)) if defined $event_time;
    exit 0;
}
talk($own, @missed);
print "the gossip was split: told this engine and those at @told of each other\n";
exit 1;
